"""Textures of layers, read bilinearly where rays meet the layers.

Neighbouring rays read the same few texels of a coarse texture. Their gradients are summed before they are
added to the texels' own: by a small matrix product where a block of rays lies on 4 x 4 texels, ray by ray
elsewhere.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from normnex_pl.kernels import launch
from normnex_pl.kernels.colors import texel_place
from normnex_pl.kernels.language import tl, triton

_BLOCK = 64


def read_layers(
    textures: Float[Tensor, "layer feature height width"],
    lines: Float[Tensor, "6 ray"],
    disparities: Float[Tensor, "layer"],
) -> Float[Tensor, "ray layer feature"]:
    """Read each layer's texture where rays meet it; borders are repeated.

    Args:
        textures: On a CUDA device.
        lines: See `normnex_pl.geometry.planes.canvas_lines`; no gradient reaches them.
        disparities: Inverse depths of the layers.
    """
    values: Tensor = _ReadLayers.apply(textures, lines, disparities)
    return values


class _ReadLayers(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, textures: Tensor, lines: Tensor, disparities: Tensor) -> Tensor:
        layers, features, height, width = textures.shape
        rays = lines.shape[1]
        values = torch.empty(layers, rays, features, device=textures.device)
        programs = (triton.cdiv(rays, _BLOCK), layers)
        tensors = lines, disparities, values
        sizes = rays, features, height, width
        launch(_read, programs, textures, *tensors, *sizes, FEATURES=_padded(features), BLOCK=_BLOCK)
        ctx.save_for_backward(lines, disparities)
        ctx.shape = textures.shape
        return values.transpose(0, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        lines, disparities = ctx.saved_tensors
        layers, features, height, width = ctx.shape
        gradient = gradient.transpose(0, 1).contiguous()
        by_texture = torch.zeros(ctx.shape, device=gradient.device)
        rays = lines.shape[1]
        programs = (triton.cdiv(rays, _BLOCK), layers)
        tensors = disparities, gradient, by_texture
        sizes = rays, features, height, width
        launch(_give, programs, lines, *tensors, *sizes, FEATURES=_padded(features), BLOCK=_BLOCK)
        return by_texture, None, None


def _padded(features: int) -> int:
    """Return the columns of a block of features: a power of two, and what a matrix product needs."""
    return int(max(16, triton.next_power_of_2(features)))


@triton.jit
def _spot(lines, disparities, ray, rays, layer, inside, height, width):  # type: ignore[no-untyped-def]
    """Find where rays meet a layer, in texels of its texture."""
    disparity = tl.load(disparities + layer)
    x = tl.load(lines + ray, inside, 0.0) + disparity * tl.load(lines + rays + ray, inside, 0.0)
    y = tl.load(lines + 2 * rays + ray, inside, 0.0) + disparity * tl.load(
        lines + 3 * rays + ray, inside, 0.0
    )
    return texel_place(x, y, height, width)


@triton.jit
def _read(  # type: ignore[no-untyped-def]
    textures, lines, disparities, values, rays, features, height, width,
    FEATURES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    ray = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    layer = tl.program_id(1)
    inside = ray < rays
    column, row = _spot(lines, disparities, ray, rays, layer, inside, height, width)
    left, upper = tl.floor(column).to(tl.int32), tl.floor(row).to(tl.int32)
    right, lower = tl.minimum(left + 1, width - 1), tl.minimum(upper + 1, height - 1)
    across, down = (column - left)[:, None], (row - upper)[:, None]
    feature = tl.arange(0, FEATURES)[None]
    there = inside[:, None] & (feature < features)
    texture = textures + (layer * features + feature).to(tl.int64) * height * width
    above = (1 - across) * tl.load(texture + (upper * width + left)[:, None], there, 0.0)
    above += across * tl.load(texture + (upper * width + right)[:, None], there, 0.0)
    below = (1 - across) * tl.load(texture + (lower * width + left)[:, None], there, 0.0)
    below += across * tl.load(texture + (lower * width + right)[:, None], there, 0.0)
    place = (layer.to(tl.int64) * rays + ray)[:, None] * features + feature
    tl.store(values + place, (1 - down) * above + down * below, there)


@triton.jit
def _give(  # type: ignore[no-untyped-def]
    lines, disparities, gradient, by_texture, rays, features, height, width,
    FEATURES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    ray = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    layer = tl.program_id(1)
    inside = ray < rays
    column, row = _spot(lines, disparities, ray, rays, layer, inside, height, width)
    feature = tl.arange(0, FEATURES)[None]
    there = inside[:, None] & (feature < features)
    given = tl.load(gradient + (layer.to(tl.int64) * rays + ray)[:, None] * features + feature, there, 0.0)
    left, upper = tl.floor(column).to(tl.int32), tl.floor(row).to(tl.int32)
    first_column, last_column = _range(left, inside)
    first_row, last_row = _range(upper, inside)
    texture = by_texture + (layer * features + feature).to(tl.int64) * height * width
    if (last_column - first_column <= 2) & (last_row - first_row <= 2):
        texel = tl.arange(0, 16)
        across, down = first_column + texel % 4, first_row + texel // 4
        share = tl.maximum(1 - tl.abs(column[None] - across[:, None]), 0.0)
        share *= tl.maximum(1 - tl.abs(row[None] - down[:, None]), 0.0)
        total = tl.dot(share, given, input_precision="ieee")
        exists = ((across < width) & (down < height))[:, None] & (feature < features) & (total != 0)
        tl.atomic_add(texture + (down * width + across)[:, None], total, exists, sem="relaxed")
    else:
        right, lower = tl.minimum(left + 1, width - 1), tl.minimum(upper + 1, height - 1)
        to_right, to_lower = (column - left)[:, None], (row - upper)[:, None]
        above, below = given * (1 - to_lower), given * to_lower
        _add(texture + (upper * width + left)[:, None], above * (1 - to_right), there)
        _add(texture + (upper * width + right)[:, None], above * to_right, there)
        _add(texture + (lower * width + left)[:, None], below * (1 - to_right), there)
        _add(texture + (lower * width + right)[:, None], below * to_right, there)


@triton.jit
def _range(index, inside):  # type: ignore[no-untyped-def]
    return tl.min(tl.where(inside, index, 1 << 30), axis=0), tl.max(tl.where(inside, index, 0), axis=0)


@triton.jit
def _add(place, value, there):  # type: ignore[no-untyped-def]
    tl.atomic_add(place, value, there, sem="relaxed")
