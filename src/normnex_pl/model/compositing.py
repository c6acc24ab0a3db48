"""Over-compositing of planes, front to back; the formulas are the NeX paper's, section 3."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import repeat
from jaxtyping import Float
from torch import Tensor

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
) -> dict[str, Tensor]:
    """Composite the colours and the geometry of planes by the same weights.

    Args:
        alpha: Opacities of the planes.
        base_color: Base colours of the planes.
        specular: Specular parts of the layers, each of which has ``plane // layer`` planes; added to the base
            colours before these are clamped to [0, 1].
        depths: Depths of the planes in world units.

    Returns:
        ``weights``, ``rgb``, ``acc``, ``depth``, ``disparity`` and ``diffuse`` as in `RenderOutput`.
    """
    if kernels_run_on(alpha) and not torch.is_grad_enabled():
        return _in_one_pass(alpha, base_color, specular, depths)
    weights = composite_weights(alpha)
    sublayers = alpha.shape[1] // specular.shape[1]
    on_planes = repeat(specular, "ray layer rgb -> ray (layer sub) rgb", sub=sublayers)
    return {
        "weights": weights,
        "rgb": composite(weights, clamp(base_color + on_planes, 0.0, 1.0)),
        "acc": weights.sum(dim=-1),
        "depth": expected_depth(weights, depths),
        "disparity": (weights / depths).sum(dim=-1),
        "diffuse": composite(weights, base_color),
    }


def _in_one_pass(
    alpha: Float[Tensor, "ray plane"],
    base_color: Float[Tensor, "ray plane 3"],
    specular: Float[Tensor, "ray layer 3"],
    depths: Float[Tensor, "plane"],
) -> dict[str, Tensor]:
    weights, sums = composite_planes(alpha, base_color, specular, depths, LEAST_TRANSPARENCY)
    acc = sums[6]
    return {
        "weights": weights,
        "rgb": sums[:3].T,
        "acc": acc,
        "depth": mean_depth(sums[7], acc, depths),
        "disparity": sums[8],
        "diffuse": sums[3:6].T,
    }
