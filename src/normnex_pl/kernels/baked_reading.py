"""Reading baked textures as they are stored, bytes in tiles: functions of Triton.

Four texels a sample; nothing is decoded ahead. ``[pixel]`` is the shape of a block of pixels.
"""

from __future__ import annotations

from typing import no_type_check

import triton
import triton.language as tl


@triton.jit
@no_type_check
def mix(upper_left, upper_right, lower_left, lower_right, x, y):
    """Bilinear interpolation; x and y in [0, 1]."""
    upper = upper_left + (upper_right - upper_left) * x
    lower = lower_left + (lower_right - lower_left) * x
    return upper + (lower - upper) * y


@triton.jit
@no_type_check
def locate(slots, texture, u, v, seen, HEIGHT: tl.constexpr, WIDTH: tl.constexpr, SIZE: tl.constexpr):
    """Find the texels of points, as `tiles.locate` does.

    Args:
        slots: Table of the tiles.
        texture: Which texture.
        u: From 0 to 1 across the canvas; beyond it its border is meant.
        v: From 0 to 1 down the canvas.
        seen: Points that count.
        HEIGHT: Texels of a texture.
        WIDTH: Texels of a texture.
        SIZE: Texels along a stored tile.

    Returns:
        Index of the upper left texel of four, x and y between them, and whether there is a tile.
    """
    SHOWN: tl.constexpr = SIZE - 2  # without its border of one texel
    ROWS: tl.constexpr = (HEIGHT + SHOWN - 1) // SHOWN
    COLUMNS: tl.constexpr = (WIDTH + SHOWN - 1) // SHOWN
    x = tl.minimum(tl.maximum(tl.where(seen, u, 0.0) * WIDTH, 0.0), WIDTH)
    y = tl.minimum(tl.maximum(tl.where(seen, v, 0.0) * HEIGHT, 0.0), HEIGHT)
    column = tl.minimum((x * (1.0 / SHOWN)).to(tl.int32), COLUMNS - 1)
    row = tl.minimum((y * (1.0 / SHOWN)).to(tl.int32), ROWS - 1)
    slot = tl.load(slots + (texture * ROWS + row) * COLUMNS + column, mask=seen, other=-1)
    # One texel more for the border, half a one less since texels are told by their centres.
    x = x - (column * SHOWN).to(tl.float32) + 0.5
    y = y - (row * SHOWN).to(tl.float32) + 0.5
    left = tl.minimum(x.to(tl.int32), SIZE - 2)
    top = tl.minimum(y.to(tl.int32), SIZE - 2)
    first = slot.to(tl.int64) * (SIZE * SIZE) + (top * SIZE + left)
    return first, x - left.to(tl.float32), y - top.to(tl.float32), slot >= 0


@triton.jit
@no_type_check
def read_bytes(texels, first, x, y, there, STRIDE: tl.constexpr, SIZE: tl.constexpr):
    """One byte of each texel, bilinearly, in [0, 255]; 0 where nothing is there."""
    at = texels + first * STRIDE
    a = tl.load(at, mask=there, other=0).to(tl.float32)
    b = tl.load(at + STRIDE, mask=there, other=0).to(tl.float32)
    c = tl.load(at + SIZE * STRIDE, mask=there, other=0).to(tl.float32)
    d = tl.load(at + (SIZE + 1) * STRIDE, mask=there, other=0).to(tl.float32)
    return mix(a, b, c, d, x, y)


@triton.jit
@no_type_check
def value_of(code, ranges, channel):
    """The value of a byte by the range of its texture and channel."""
    low = tl.load(ranges + 2 * channel)
    high = tl.load(ranges + 2 * channel + 1)
    return low + code * ((high - low) / 255)


@triton.jit
@no_type_check
def byte_of(word, INDEX: tl.constexpr):
    """One of the four bytes of a word, as a number."""
    return ((word >> (8 * INDEX)) & 255).to(tl.float32)


@triton.jit
@no_type_check
def read_feature(texels, first, x, y, there, ranges, channel, STRIDE: tl.constexpr, SIZE: tl.constexpr):
    """One feature ``[pixel]``."""
    return value_of(read_bytes(texels + channel, first, x, y, there, STRIDE, SIZE), ranges, channel)


@triton.jit
@no_type_check
def read_opacity(
    texels, slots, ranges, plane, u, v, seen, first_opaque,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    """Opacity of a plane ``[pixel]``; 0 where it isn't seen."""
    first, x, y, there = locate(slots, plane, u, v, seen, HEIGHT, WIDTH, SIZE)
    alpha = value_of(read_bytes(texels, first, x, y, there, 1, SIZE), ranges, plane)
    return tl.where(seen & (plane >= first_opaque), 1.0, tl.where(there, alpha, 0.0))


@triton.jit
@no_type_check
def read_base_color(
    words, slots, ranges, layer, u, v, seen, HEIGHT: tl.constexpr, WIDTH: tl.constexpr, SIZE: tl.constexpr
):
    """Red, green and blue of a layer ``[pixel]``, and whether there is a tile."""
    first, x, y, there = locate(slots, layer, u, v, seen, HEIGHT, WIDTH, SIZE)
    at = words + first
    a = tl.load(at, mask=there, other=0)
    b = tl.load(at + 1, mask=there, other=0)
    c = tl.load(at + SIZE, mask=there, other=0)
    d = tl.load(at + SIZE + 1, mask=there, other=0)
    red = mix(byte_of(a, 0), byte_of(b, 0), byte_of(c, 0), byte_of(d, 0), x, y)
    green = mix(byte_of(a, 1), byte_of(b, 1), byte_of(c, 1), byte_of(d, 1), x, y)
    blue = mix(byte_of(a, 2), byte_of(b, 2), byte_of(c, 2), byte_of(d, 2), x, y)
    ranges += 6 * layer
    return value_of(red, ranges, 0), value_of(green, ranges, 1), value_of(blue, ranges, 2), there
