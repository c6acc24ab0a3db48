"""Opacities of planes from a stack of dense grids, without gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from normnex_pl.kernels import launch
from normnex_pl.kernels.colors import corners
from normnex_pl.kernels.language import tl, triton

_BLOCK = 256


def grid_opacity(
    grids: Sequence[Tensor], coordinates: Float[Tensor, "ray plane 2"], offset: float
) -> Float[Tensor, "ray plane"]:
    """Read grids trilinearly where rays meet planes; sum, and take the sigmoid; 0 outside the canvas.

    Plane i of n lies at the centre of the i-th of n equal parts of the grids' depth. Borders are repeated.

    Args:
        grids: Raw values of shape ``[depth, height, width]``, on a CUDA device.
        coordinates: Canvas coordinates on the planes.
        offset: Subtracted from the sum.
    """
    points = rearrange(coordinates, "ray plane xy -> plane ray xy").contiguous()
    planes, rays, _ = points.shape
    programs = (triton.cdiv(rays, _BLOCK), planes)
    values = torch.full((planes, rays), -offset, device=points.device)
    for grid in grids:
        launch(_add, programs, grid, points, values, *grid.shape, rays, BLOCK=_BLOCK)
    launch(_finish, programs, points, values, rays, BLOCK=_BLOCK)
    return values.T


@triton.jit
def _read(image, left, right, upper, lower, across, down, inside):  # type: ignore[no-untyped-def]
    above = (1 - across) * tl.load(image + upper + left, inside, 0.0)
    above += across * tl.load(image + upper + right, inside, 0.0)
    below = (1 - across) * tl.load(image + lower + left, inside, 0.0)
    below += across * tl.load(image + lower + right, inside, 0.0)
    return (1 - down) * above + down * below


@triton.jit
def _add(grid, points, values, depth, height, width, rays, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    plane = tl.program_id(1)
    ray = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = ray < rays
    left, right, upper, lower, across, down = corners(points, plane, ray, inside, height, width, rays)
    # Rounded to nearest, so that a plane that has a slice to itself lies exactly on it.
    place = tl.div_rn((plane + 0.5) * depth, tl.num_programs(1).to(tl.float32)) - 0.5
    place = tl.minimum(tl.maximum(place, 0.0), depth - 1.0)
    near = tl.floor(place).to(tl.int32)
    beyond = place - near
    image = grid + near.to(tl.int64) * height * width
    value = (1 - beyond) * _read(image, left, right, upper, lower, across, down, inside)
    if beyond > 0:
        image += height * width
        value += beyond * _read(image, left, right, upper, lower, across, down, inside)
    target = values + plane.to(tl.int64) * rays + ray
    tl.store(target, tl.load(target, inside, 0.0) + value, inside)


@triton.jit
def _finish(points, values, rays, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    ray = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    place = tl.program_id(1).to(tl.int64) * rays + ray
    inside = ray < rays
    x, y = tl.load(points + place * 2, inside, 2.0), tl.load(points + place * 2 + 1, inside, 2.0)
    seen = (tl.abs(x) <= 1) & (tl.abs(y) <= 1)
    opacity = tl.sigmoid(tl.load(values + place, inside, 0.0))
    tl.store(values + place, tl.where(seen, opacity, 0.0), inside)
