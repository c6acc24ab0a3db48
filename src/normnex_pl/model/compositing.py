"""Over-compositing of planes, front to back; the formulas are the NeX paper's, section 3."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from einops import reduce, repeat
from jaxtyping import Float
from torch import Tensor

from normnex_pl.core.rendering import PlaneOutput
from normnex_pl.kernels import kernels_run_on
from normnex_pl.kernels.compositing import composite_planes
from normnex_pl.model.clamp import clamp

# An opaque plane lets this share through, so that the gradient of its alpha stays finite.
LEAST_TRANSPARENCY = 1e-6


def transmittance(alpha: Float[Tensor, "*ray plane"]) -> Float[Tensor, "*ray plane"]:
    """Return the share of light that reaches each plane: the product of 1 - alpha over the planes before it.

    Computed as a sum of logarithms: the gradient of ``torch.cumprod`` would synchronise with the device in
    every step.
    """
    passed = -optical_depth(alpha[..., :-1])
    return F.pad(passed.cumsum(dim=-1), (1, 0)).exp()


def optical_depth(alpha: Float[Tensor, "*ray plane"]) -> Float[Tensor, "*ray plane"]:
    """Return -ln(1 - alpha), which stays finite for opaque planes."""
    return -torch.log1p(-alpha.clamp(max=1 - LEAST_TRANSPARENCY))


def composite_weights(alpha: Float[Tensor, "*ray plane"]) -> Float[Tensor, "*ray plane"]:
    """Return the weights of the planes, alpha times transmittance, whose sum is 1 - prod(1 - alpha)."""
    return alpha * transmittance(alpha)


def composite(
    weights: Float[Tensor, "*ray plane"], values: Float[Tensor, "*ray plane channel"]
) -> Float[Tensor, "*ray channel"]:
    """Sum values over the planes by weight."""
    return (weights[..., None] * values).sum(dim=-2)


def expected_depth(
    weights: Float[Tensor, "*ray plane"], depths: Float[Tensor, "plane"]
) -> Float[Tensor, "*ray"]:
    """Return the mean depth of the covered part of each ray; the far plane's depth if nothing is covered.

    Args:
        weights: Weights of the planes.
        depths: Depths of the planes in world units.
    """
    return mean_depth((weights * depths).sum(dim=-1), weights.sum(dim=-1), depths)


def mean_depth(
    total: Float[Tensor, "*ray"], acc: Float[Tensor, "*ray"], depths: Float[Tensor, "plane"]
) -> Float[Tensor, "*ray"]:
    """Return the `expected_depth` from the sums of weighted depths (``total``) and of weights (``acc``)."""
    return torch.where(acc > 1e-6, total / acc.clamp(min=1e-6), depths[-1])


def composite_shaded(
    alpha: Float[Tensor, "ray plane"],
    base_color: Float[Tensor, "ray plane 3"],
    specular: Float[Tensor, "ray layer 3"],
    depths: Float[Tensor, "plane"],
) -> dict[str, Any]:
    """Composite the colours and the geometry of planes by the same weights.

    Args:
        alpha: Opacities of the planes.
        base_color: Base colours of the planes.
        specular: Specular parts of the layers, each of which has ``plane // layer`` planes; added to the base
            colours before these are clamped to [0, 1].
        depths: Depths of the planes in world units.

    Returns:
        All attributes of `RenderOutput` but ``specular``, ``features`` and ``normals``.
    """
    if kernels_run_on(alpha) and not torch.is_grad_enabled():
        return _in_one_pass(alpha, base_color, specular, depths)
    weights = composite_weights(alpha)
    layers = specular.shape[1]
    sublayers = alpha.shape[1] // layers
    on_planes = repeat(specular, "ray layer rgb -> ray (layer sub) rgb", sub=sublayers)
    return {
        "rgb": composite(weights, clamp(base_color + on_planes, 0.0, 1.0)),
        "acc": weights.sum(dim=-1),
        "depth": expected_depth(weights, depths),
        "disparity": (weights / depths).sum(dim=-1),
        "diffuse": composite(weights, base_color),
        **_by_weights(weights, alpha, layers),
    }


def _in_one_pass(
    alpha: Float[Tensor, "ray plane"],
    base_color: Float[Tensor, "ray plane 3"],
    specular: Float[Tensor, "ray layer 3"],
    depths: Float[Tensor, "plane"],
) -> dict[str, Any]:
    weights, sums = composite_planes(alpha, base_color, specular, depths, LEAST_TRANSPARENCY)
    acc = sums[6]
    return {
        "rgb": sums[:3].T,
        "acc": acc,
        "depth": mean_depth(sums[7], acc, depths),
        "disparity": sums[8],
        "diffuse": sums[3:6].T,
        **_by_weights(weights, alpha, specular.shape[1]),
    }


def _by_weights(
    weights: Float[Tensor, "ray plane"], alpha: Float[Tensor, "ray plane"], layers: int
) -> dict[str, Any]:
    return {
        "spread": spread_of(weights),
        "layer_weights": reduce(weights, "ray (layer sub) -> ray layer", "sum", layer=layers),
        "planes": PlaneOutput(weights, alpha),
    }


def spread_of(weights: Float[Tensor, "ray plane"]) -> Float[Tensor, "ray"]:
    """Return how far the weights of rays lie apart; see `RenderOutput.spread`.

    Exclusive prefix sums of the weights and of the weighted places give the double sum in one pass.
    """
    num_planes = weights.shape[1]
    delta = 1 / max(1, num_planes - 1)
    places = torch.arange(num_planes, device=weights.device, dtype=weights.dtype) * delta
    weighted = weights * places
    before = weights.cumsum(dim=-1) - weights
    weighted_before = weighted.cumsum(dim=-1) - weighted
    pairs = 2 * (weights * (places * before - weighted_before)).sum(dim=-1)
    return pairs + weights.square().sum(dim=-1) * (delta / 3)
