"""Round base colours where little is seen of them: fewer bytes, and views look the same.

A texel whose weight is at most w in any pixel changes no pixel by more than w times its own error. It is
therefore stored as a multiple of a power of two, as coarse as its weight allows, and becomes grey where no
view sees it. Lossless compression then has fewer different values to encode.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from normnex_pl.export.baked.codes import LEVELS
from normnex_pl.export.baked.layout import PADDING, TileGrid

# Texels around the one that a ray hits: rays are a few pixels apart, and bilinear reading takes four texels.
_REACH = 2
_LARGEST_STEP = 256


def texel_grid(grid: TileGrid) -> TileGrid:
    """Return a grid whose tiles show one texel each: weights of its tiles are weights of texels."""
    return TileGrid(grid.textures, grid.height, grid.width, 1 + 2 * PADDING)


def pool_weights(
    weights: Float[Tensor, "texture height width"], grid: TileGrid
) -> Float[Tensor, "texture row column"]:
    """Return the largest weight of a texel on each tile."""
    below, beside = grid.rows * grid.shown - grid.height, grid.columns * grid.shown - grid.width
    filled = F.pad(weights, (0, beside, 0, below), value=-torch.inf)
    return F.max_pool2d(filled, grid.shown)


def round_colors(
    values: Float[Tensor, "texture channel height width"],
    weights: Float[Tensor, "texture height width"],
    tolerance: float,
) -> Float[Tensor, "texture channel height width"]:
    """Round values to as few levels as their weights allow.

    Args:
        values: In [0, 1].
        weights: The largest weight of each texel in any pixel; negative where no ray passed.
        tolerance: How far the rounding of a texel may move a pixel, in 8-bit levels.
    """
    if tolerance == 0:
        return values
    side = 2 * _REACH + 1
    rounded = torch.empty_like(values)
    for texture, (value, weight) in enumerate(zip(values, weights, strict=True)):  # bounds the memory
        around = F.max_pool2d(weight[None], side, stride=1, padding=_REACH)
        # Rounding errs by half a step.
        steps = (2 * tolerance / around.clamp(min=2 * tolerance / _LARGEST_STEP)).log2().floor().exp2()
        levels = (value * (LEVELS / steps)).round() * steps
        grey = torch.full_like(levels, _LARGEST_STEP / 2)
        rounded[texture] = torch.where(steps >= _LARGEST_STEP, grey, levels).clamp(0, LEVELS) / LEVELS
    return rounded
