"""Bilinear samples of sigmoid textures, without computing the colours of all texels first."""

from __future__ import annotations

from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from normnex_pl.kernels import launch
from normnex_pl.kernels.language import tl, triton

_BLOCK = 256


def sample_sigmoid(
    raw: Float[Tensor, "layer channel height width"], coordinates: Float[Tensor, "ray plane 2"]
) -> Float[Tensor, "ray plane channel"]:
    """Compute ``sample_layers(sigmoid(raw), coordinates)``, with the sigmoid of the texels in use alone.

    Args:
        raw: One texture per layer, on a CUDA device.
        coordinates: Canvas coordinates on ``plane = layer * sublayer`` planes; no gradient reaches them.
    """
    colors: Tensor = _SampleSigmoid.apply(raw, coordinates)
    return colors


class _SampleSigmoid(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, raw: Tensor, coordinates: Tensor) -> Tensor:
        coordinates = rearrange(coordinates, "ray plane xy -> plane ray xy").contiguous()
        planes, rays, _ = coordinates.shape
        colors = torch.empty(planes, rays, raw.shape[1], device=raw.device, dtype=raw.dtype)
        sizes = _sizes(raw, coordinates)
        launch(_forward, _programs(coordinates), raw, coordinates, colors, *sizes, BLOCK=_BLOCK)
        ctx.save_for_backward(raw, coordinates)
        return rearrange(colors, "plane ray channel -> ray plane channel")

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        raw, coordinates = ctx.saved_tensors
        gradient = rearrange(gradient, "ray plane channel -> plane ray channel").contiguous()
        by_raw = torch.zeros_like(raw)
        sizes = _sizes(raw, coordinates)
        tensors = (raw, coordinates, gradient, by_raw)
        launch(_backward, _programs(coordinates), *tensors, *sizes, BLOCK=_BLOCK)
        return by_raw, None


def _programs(coordinates: Tensor) -> tuple[int, int]:
    """Return the launch grid: blocks of rays by planes, so that neighbouring programs read one texture."""
    return triton.cdiv(coordinates.shape[1], _BLOCK), coordinates.shape[0]


def _sizes(raw: Tensor, coordinates: Tensor) -> tuple[int, int, int, int, int]:
    layers, channels, height, width = raw.shape
    planes, rays, _ = coordinates.shape
    return channels, height, width, rays, planes // layers


@triton.jit
def texel_place(x, y, height, width):  # type: ignore[no-untyped-def]
    """Return column and row of a point in texels, whose centres have integers; borders are repeated."""
    column = tl.minimum(tl.maximum(((x + 1) * width - 1) * 0.5, 0.0), width - 1.0)
    row = tl.minimum(tl.maximum(((y + 1) * height - 1) * 0.5, 0.0), height - 1.0)
    return column, row


@triton.jit
def corners(coordinates, plane, ray, inside, height, width, rays):  # type: ignore[no-untyped-def]
    """Find the four texels around each sample, and the weights of the right and of the lower ones.

    Texel centres are at -1 + (2 i + 1) / n; beyond the outermost ones the border is repeated, as in
    ``grid_sample(padding_mode="border", align_corners=False)``.
    """
    place = coordinates + (plane.to(tl.int64) * rays + ray) * 2
    x, y = tl.load(place, inside, 0.0), tl.load(place + 1, inside, 0.0)
    column, row = texel_place(x, y, height, width)
    left = tl.floor(column).to(tl.int32)
    upper = tl.floor(row).to(tl.int32)
    right = tl.minimum(left + 1, width - 1)
    lower = tl.minimum(upper + 1, height - 1)
    return left, right, upper * width, lower * width, column - left, row - upper


@triton.jit
def color(texture, place, is_there):  # type: ignore[no-untyped-def]
    """Return the colours of texels from their raw values."""
    return tl.sigmoid(tl.load(texture + place, is_there, 0.0))


@triton.jit
def _forward(raw, coordinates, colors, channels, height, width, rays, sublayers, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    plane = tl.program_id(1)
    ray = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = ray < rays
    left, right, upper, lower, across, down = corners(coordinates, plane, ray, inside, height, width, rays)
    texture = raw + (plane // sublayers).to(tl.int64) * channels * height * width
    result = colors + (plane.to(tl.int64) * rays + ray) * channels
    for channel in range(channels):
        above = (1 - across) * color(texture, upper + left, inside)
        above += across * color(texture, upper + right, inside)
        below = (1 - across) * color(texture, lower + left, inside)
        below += across * color(texture, lower + right, inside)
        tl.store(result + channel, (1 - down) * above + down * below, inside)
        texture += height * width


@triton.jit
def _add(total, texture, place, gradient, inside):  # type: ignore[no-untyped-def]
    value = color(texture, place, inside)
    tl.atomic_add(total + place, gradient * value * (1 - value), inside & (gradient != 0), sem="relaxed")


@triton.jit
def _backward(  # type: ignore[no-untyped-def]
    raw, coordinates, gradient, by_raw, channels, height, width, rays, sublayers, BLOCK: tl.constexpr
):
    plane = tl.program_id(1)
    ray = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = ray < rays
    left, right, upper, lower, across, down = corners(coordinates, plane, ray, inside, height, width, rays)
    start = (plane // sublayers).to(tl.int64) * channels * height * width
    texture, total = raw + start, by_raw + start
    given = gradient + (plane.to(tl.int64) * rays + ray) * channels
    for channel in range(channels):
        passed = tl.load(given + channel, inside, 0.0)
        _add(total, texture, upper + left, passed * (1 - down) * (1 - across), inside)
        _add(total, texture, upper + right, passed * (1 - down) * across, inside)
        _add(total, texture, lower + left, passed * down * (1 - across), inside)
        _add(total, texture, lower + right, passed * down * across, inside)
        texture += height * width
        total += height * width
