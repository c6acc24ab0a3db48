"""Parts of both passes over the planes of a ray: where it meets them, and what they store there."""

from __future__ import annotations

from normnex_pl.kernels.colors import color, texel_place
from normnex_pl.kernels.language import tl, triton


@triton.jit
def load_ray(lines, ray, rays, inside):  # type: ignore[no-untyped-def]
    """Load a ray's line on the canvas, and the z of its origin and direction."""
    x, along_x = tl.load(lines + ray, inside, 0.0), tl.load(lines + rays + ray, inside, 0.0)
    y, along_y = tl.load(lines + 2 * rays + ray, inside, 0.0), tl.load(lines + 3 * rays + ray, inside, 0.0)
    origin, ahead = tl.load(lines + 4 * rays + ray, inside, 0.0), tl.load(lines + 5 * rays + ray, inside, 1.0)
    return x, along_x, y, along_y, origin, ahead


@triton.jit
def corners(x, y, height, width):  # type: ignore[no-untyped-def]
    """Find the four texels around a point, upper left to lower right, and their weights."""
    column, row = texel_place(x, y, height, width)
    left, upper = tl.floor(column).to(tl.int32), tl.floor(row).to(tl.int32)
    right, lower = tl.minimum(left + 1, width - 1), tl.minimum(upper + 1, height - 1)
    across, down = column - left, row - upper
    a, b = (1 - down) * (1 - across), (1 - down) * across
    c, d = down * (1 - across), down * across
    return (
        upper * width + left,
        upper * width + right,
        lower * width + left,
        lower * width + right,
        a,
        b,
        c,
        d,
    )


@triton.jit
def read_opacity(alpha, i, j, k, l, a, b, c, d, seen, offset):  # type: ignore[no-untyped-def]  # noqa: E741
    """Read an opacity bilinearly from raw values; 0 where it isn't seen."""
    raw = a * tl.load(alpha + i, seen, 0.0) + b * tl.load(alpha + j, seen, 0.0)
    raw += c * tl.load(alpha + k, seen, 0.0) + d * tl.load(alpha + l, seen, 0.0)
    return tl.where(seen, tl.sigmoid(raw - offset), 0.0)


@triton.jit
def read_channel(texture, i, j, k, l, a, b, c, d, seen):  # type: ignore[no-untyped-def]  # noqa: E741
    """Read a colour channel bilinearly, after the sigmoid."""
    value = a * color(texture, i, seen) + b * color(texture, j, seen)
    return value + c * color(texture, k, seen) + d * color(texture, l, seen)


@triton.jit
def clamp_color(value):  # type: ignore[no-untyped-def]
    """Clamp to [0, 1]; NaN stays NaN, so that it is noticed."""
    return tl.clamp(value, 0.0, 1.0, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def through_clamp(value, gradient):  # type: ignore[no-untyped-def]
    """Pass a gradient through the clamp unless descent would leave the range further: see `model.clamp`."""
    return tl.where(((value < 0) & (gradient > 0)) | ((value > 1) & (gradient < 0)), 0.0, gradient)
