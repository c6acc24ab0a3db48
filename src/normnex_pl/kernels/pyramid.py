"""Sum of a coarse and a fine volume at the cells of the fine one, and the gradient of the coarse one."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from normnex_pl.kernels import launch
from normnex_pl.kernels.language import tl, triton

_BLOCK = 256


def add_coarser(
    coarse: Float[Tensor, "_ _ _"], fine: Float[Tensor, "depth height width"]
) -> Float[Tensor, "depth height width"]:
    """Add a coarse volume, read trilinearly at the centres of the fine one's cells, to the fine one.

    Both fill the same space; borders are repeated, as in ``interpolate(align_corners=False)``.

    Args:
        coarse: With at most as many cells as the fine one along each axis, on a CUDA device.
        fine: On the same device.
    """
    total: Tensor = _AddCoarser.apply(coarse, fine)
    return total


class _AddCoarser(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, coarse: Tensor, fine: Tensor) -> Tensor:
        total = torch.empty_like(fine)
        depth, height, width = fine.shape
        programs = (triton.cdiv(width, _BLOCK), height, depth)
        launch(_expand, programs, coarse, fine, total, *coarse.shape, *fine.shape, BLOCK=_BLOCK)
        ctx.shapes = coarse.shape, fine.shape
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        coarse, fine = ctx.shapes
        gradient = gradient.contiguous()
        by_coarse = torch.empty(coarse, device=gradient.device)
        spans = dict(zip(("SLICES", "ROWS", "COLUMNS"), map(_span, coarse, fine), strict=True))
        programs = (triton.cdiv(coarse[2], _BLOCK), coarse[1], coarse[0])
        launch(_gather, programs, gradient, by_coarse, *coarse, *fine, **spans, BLOCK=_BLOCK)
        return by_coarse, gradient


def _span(coarse: int, fine: int) -> int:
    """Return how many fine cells read a coarse one, at most: those closer to it than its neighbours are."""
    return 2 * fine // coarse + 2


@triton.jit
def _place(cell, coarse, fine):  # type: ignore[no-untyped-def]
    """Return where the centre of a fine cell lies, in indices of coarse ones."""
    return tl.minimum(tl.maximum((cell + 0.5) * (coarse / (fine * 1.0)) - 0.5, 0.0), coarse - 1.0)


@triton.jit
def _row(row, left, right, across, inside):  # type: ignore[no-untyped-def]
    return (1 - across) * tl.load(row + left, inside, 0.0) + across * tl.load(row + right, inside, 0.0)


@triton.jit
def _expand(  # type: ignore[no-untyped-def]
    coarse, fine, total, coarse_depth, coarse_height, coarse_width, depth, height, width, BLOCK: tl.constexpr
):
    column = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row, slice_ = tl.program_id(1), tl.program_id(2)
    inside = column < width
    x, y, z = (
        _place(column, coarse_width, width),
        _place(row, coarse_height, height),
        _place(slice_, coarse_depth, depth),
    )
    left, upper, near = tl.floor(x).to(tl.int32), tl.floor(y).to(tl.int32), tl.floor(z).to(tl.int32)
    right = tl.minimum(left + 1, coarse_width - 1)
    lower = tl.minimum(upper + 1, coarse_height - 1)
    far = tl.minimum(near + 1, coarse_depth - 1)
    across, down, beyond = x - left, y - upper, z - near
    front = coarse + near.to(tl.int64) * coarse_height * coarse_width
    back = coarse + far.to(tl.int64) * coarse_height * coarse_width
    value = (1 - beyond) * (1 - down) * _row(front + upper * coarse_width, left, right, across, inside)
    value += (1 - beyond) * down * _row(front + lower * coarse_width, left, right, across, inside)
    value += beyond * (1 - down) * _row(back + upper * coarse_width, left, right, across, inside)
    value += beyond * down * _row(back + lower * coarse_width, left, right, across, inside)
    place = (slice_.to(tl.int64) * height + row) * width + column
    tl.store(total + place, tl.load(fine + place, inside, 0.0) + value, inside)


@triton.jit
def _first(cell, coarse, fine):  # type: ignore[no-untyped-def]
    """Return the first fine cell that reads a coarse one."""
    return tl.maximum(tl.ceil((cell - 0.5) * (fine / (coarse * 1.0)) - 0.5).to(tl.int32), 0)


@triton.jit
def _share(reader, cell, coarse, fine):  # type: ignore[no-untyped-def]
    """Return the weight with which a fine cell reads a coarse one."""
    return tl.maximum(1 - tl.abs(_place(reader, coarse, fine) - cell), 0.0)


@triton.jit
def _gather(  # type: ignore[no-untyped-def]
    gradient, by_coarse, coarse_depth, coarse_height, coarse_width, depth, height, width,
    SLICES: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Let each coarse cell sum over the fine ones that read it: no two programs write to one place."""
    column = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row, slice_ = tl.program_id(1), tl.program_id(2)
    inside = column < coarse_width
    first_column = _first(column, coarse_width, width)
    first_row = _first(row, coarse_height, height)
    first_slice = _first(slice_, coarse_depth, depth)
    total = tl.zeros((BLOCK,), tl.float32)
    for i in range(SLICES):
        z = first_slice + i
        of_slice = tl.where(z < depth, _share(z, slice_, coarse_depth, depth), 0.0)
        for j in range(ROWS):
            y = first_row + j
            of_row = of_slice * tl.where(y < height, _share(y, row, coarse_height, height), 0.0)
            start = (tl.minimum(z, depth - 1).to(tl.int64) * height + tl.minimum(y, height - 1)) * width
            for k in tl.static_range(COLUMNS):
                x = first_column + k
                value = tl.load(gradient + start + x, inside & (x < width), 0.0)
                total += of_row * _share(x, column, coarse_width, width) * value
    place = (slice_.to(tl.int64) * coarse_height + row) * coarse_width + column
    tl.store(by_coarse + place, total, inside)
