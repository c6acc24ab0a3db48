"""Total variation of sigmoid textures and its gradient, in one pass over the texels."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from normnex_pl.kernels import launch
from normnex_pl.kernels.colors import color
from normnex_pl.kernels.language import tl, triton

_BLOCK = 1024


def add_variation_gradient(
    raw: Float[Tensor, "layer channel height width"],
    gradient: Float[Tensor, "layer channel height width"],
    weight: float,
) -> Float[Tensor, ""]:
    """Add the gradient of ``weight * total_variation(sigmoid(raw))`` to a given one, in place.

    Args:
        raw: On a CUDA device, contiguous, at least two texels high and wide, since the variation is that of
            neighbours.
        gradient: Is added to; contiguous.
        weight: Weight of the variation.

    Returns:
        The variation, unweighted.
    """
    layers, channels, height, width = raw.shape
    blocks = triton.cdiv(height * width, _BLOCK)
    sums = torch.empty(layers * channels, blocks, device=raw.device)
    # Factors of the differences to the lower and right neighbours: mean over texels, sum over channels.
    shares = 1 / (layers * (height - 1) * width), 1 / (layers * height * (width - 1))
    sizes = height, width, *shares, weight
    launch(_add_gradient, (blocks, layers * channels), raw, gradient, sums, *sizes, BLOCK=_BLOCK)
    return sums.sum()


@triton.jit
def _sign(value):  # type: ignore[no-untyped-def]
    return (value > 0).to(tl.float32) - (value < 0).to(tl.float32)


@triton.jit
def _add_gradient(  # type: ignore[no-untyped-def]
    raw, gradient, sums, height, width, share_below, share_right, weight, BLOCK: tl.constexpr
):
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    start = tl.program_id(1).to(tl.int64) * height * width
    texture = raw + start
    inside = pixel < height * width
    column = pixel % width
    has_above, has_left = inside & (pixel >= width), inside & (column > 0)
    has_below, has_right = inside & (pixel < (height - 1) * width), inside & (column < width - 1)
    own = color(texture, pixel, inside)
    # The difference to a missing neighbour is zero.
    from_above = tl.where(has_above, own - color(texture, pixel - width, has_above), 0.0)
    from_left = tl.where(has_left, own - color(texture, pixel - 1, has_left), 0.0)
    to_below = tl.where(has_below, color(texture, pixel + width, has_below) - own, 0.0)
    to_right = tl.where(has_right, color(texture, pixel + 1, has_right) - own, 0.0)
    by_color = share_below * (_sign(from_above) - _sign(to_below))
    by_color += share_right * (_sign(from_left) - _sign(to_right))
    place = gradient + start + pixel
    given = tl.load(place, inside, 0.0)
    tl.store(place, given + weight * by_color * own * (1 - own), inside)
    total = tl.sum(share_below * tl.abs(to_below) + share_right * tl.abs(to_right), axis=0)
    tl.store(sums + tl.program_id(1) * tl.num_programs(0) + tl.program_id(0), total)
