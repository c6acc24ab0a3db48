"""What a model's planes show of rays: colours and geometry by the same weights."""

from __future__ import annotations

import torch
from einops import repeat
from jaxtyping import Float
from torch import Tensor

from normnex_pl.kernels import kernels_run_on
from normnex_pl.kernels.compositing import composite_planes
from normnex_pl.model.clamp import clamp
from normnex_pl.model.compositing import (
    LEAST_TRANSPARENCY,
    composite,
    composite_weights,
    expected_depth,
    mean_depth,
)


def composite_shaded(
    alpha: Float[Tensor, "ray plane"],
    base_color: Float[Tensor, "ray plane 3"],
    specular: Float[Tensor, "ray layer 3"],
    depths: Float[Tensor, "plane"],
) -> dict[str, Tensor]:
    """Composite planes whose layers add a specular part to their colours.

    Args:
        alpha: Opacities of the planes.
        base_color: Of the planes.
        specular: Of the layers, which are ``plane // layer`` planes each.
        depths: Of the planes, in world units.

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


def _in_one_pass(alpha: Tensor, base_color: Tensor, specular: Tensor, depths: Tensor) -> dict[str, Tensor]:
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
