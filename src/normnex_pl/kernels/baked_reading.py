"""Triton functions that read baked textures as they are stored: bytes in tiles.

A sample reads four texels; nothing is decoded in advance. ``[pixel]`` is the shape of a block of pixels;
``SHAPE`` is a `TextureShape`.
"""

from __future__ import annotations

from typing import no_type_check

import triton
import triton.language as tl


@triton.jit
@no_type_check
def mix(upper_left, upper_right, lower_left, lower_right, x, y):
    """Interpolate bilinearly; x and y in [0, 1]."""
    upper = upper_left + (upper_right - upper_left) * x
    lower = lower_left + (lower_right - lower_left) * x
    return upper + (lower - upper) * y


@triton.jit
@no_type_check
def locate(slots, texture, u, v, seen, SHAPE: tl.constexpr):
    """Find the texels of points, as `tiles.locate` does.

    Args:
        slots: Table of the tiles.
        texture: Index of the texture: a plane or a layer.
        u: From 0 to 1 across the canvas; clamped to it.
        v: From 0 to 1 down the canvas; clamped to it.
        seen: Points to look up.
        SHAPE: Of the textures.

    Returns:
        Index of the upper left of four texels, x and y between them, and whether there is a tile.
    """
    HEIGHT: tl.constexpr = SHAPE.value.height
    WIDTH: tl.constexpr = SHAPE.value.width
    SIZE: tl.constexpr = SHAPE.value.size
    SHOWN: tl.constexpr = SIZE - 2  # without its border of one texel
    ROWS: tl.constexpr = (HEIGHT + SHOWN - 1) // SHOWN
    COLUMNS: tl.constexpr = (WIDTH + SHOWN - 1) // SHOWN
    x = tl.minimum(tl.maximum(tl.where(seen, u, 0.0) * WIDTH, 0.0), WIDTH)
    y = tl.minimum(tl.maximum(tl.where(seen, v, 0.0) * HEIGHT, 0.0), HEIGHT)
    column = tl.minimum((x * (1.0 / SHOWN)).to(tl.int32), COLUMNS - 1)
    row = tl.minimum((y * (1.0 / SHOWN)).to(tl.int32), ROWS - 1)
    slot = tl.load(slots + (texture * ROWS + row) * COLUMNS + column, mask=seen, other=-1)
    # One texel more for the border, half a texel less because a texel's coordinates are those of its centre.
    x = x - (column * SHOWN).to(tl.float32) + 0.5
    y = y - (row * SHOWN).to(tl.float32) + 0.5
    left = tl.minimum(x.to(tl.int32), SIZE - 2)
    top = tl.minimum(y.to(tl.int32), SIZE - 2)
    first = slot.to(tl.int64) * (SIZE * SIZE) + (top * SIZE + left)
    return first, x - left.to(tl.float32), y - top.to(tl.float32), slot >= 0


@triton.jit
@no_type_check
def read_bytes(texels, first, x, y, there, SHAPE: tl.constexpr):
    """Read one byte of each texel bilinearly, in [0, 255]; 0 where there is no tile."""
    SIZE: tl.constexpr = SHAPE.value.size
    STRIDE: tl.constexpr = SHAPE.value.stride
    at = texels + first * STRIDE
    a = tl.load(at, mask=there, other=0).to(tl.float32)
    b = tl.load(at + STRIDE, mask=there, other=0).to(tl.float32)
    c = tl.load(at + SIZE * STRIDE, mask=there, other=0).to(tl.float32)
    d = tl.load(at + (SIZE + 1) * STRIDE, mask=there, other=0).to(tl.float32)
    return mix(a, b, c, d, x, y)


@triton.jit
@no_type_check
def value_of(code, ranges, channel):
    """Dequantise a byte by the range of its texture and channel."""
    low = tl.load(ranges + 2 * channel)
    high = tl.load(ranges + 2 * channel + 1)
    return low + code * ((high - low) / 255)


@triton.jit
@no_type_check
def byte_of(word, INDEX: tl.constexpr):
    """Extract one of the four bytes of a word as a float."""
    return ((word >> (8 * INDEX)) & 255).to(tl.float32)


@triton.jit
@no_type_check
def read_feature(texels, first, x, y, there, ranges, channel, SHAPE: tl.constexpr):
    """Read one feature ``[pixel]``."""
    return value_of(read_bytes(texels + channel, first, x, y, there, SHAPE), ranges, channel)


@triton.jit
@no_type_check
def read_opacity(texels, slots, ranges, plane, u, v, seen, first_opaque, SHAPE: tl.constexpr):
    """Read the opacity of a plane ``[pixel]``; 0 where it isn't seen."""
    first, x, y, there = locate(slots, plane, u, v, seen, SHAPE)
    alpha = value_of(read_bytes(texels, first, x, y, there, SHAPE), ranges, plane)
    return tl.where(seen & (plane >= first_opaque), 1.0, tl.where(there, alpha, 0.0))


@triton.jit
@no_type_check
def read_base_color(words, slots, ranges, layer, u, v, seen, SHAPE: tl.constexpr):
    """Read red, green and blue of a layer ``[pixel]``, and whether there is a tile."""
    SIZE: tl.constexpr = SHAPE.value.size
    first, x, y, there = locate(slots, layer, u, v, seen, SHAPE)
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
