"""What the features of a layer mean, as `manifest` has it: functions of Triton.

Colour models, models of normals and lookups of the basis; the kernel takes one of each as an argument.
``[pixel]`` is the shape of a block of pixels.
"""

from __future__ import annotations

from typing import no_type_check

import triton
import triton.language as tl

from normnex_pl.kernels.baked_reading import mix, read_bytes, read_feature

START = tl.constexpr(0.2)  # see `components.normals.PredictedNormals`


@triton.jit
@no_type_check
def tanh(x):
    """By the logistic function, which is accurate to 1e-7 here."""
    return 2 * tl.sigmoid(2 * x) - 1


@triton.jit
@no_type_check
def weighted_sum(
    texels, first, x, y, there, ranges, basis, FROM: tl.constexpr, N: tl.constexpr, N_WIDE: tl.constexpr,
    STRIDE: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    """Sum of tanh(k_n) H_n ``[pixel]``, k_n being the features from ``FROM`` on; ``basis`` ``[pixel, n]``."""
    n = tl.arange(0, N_WIDE)
    known = n < N
    channels = (texels + FROM + n)[None, :]
    codes = read_bytes(
        channels, first[:, None], x[:, None], y[:, None], there[:, None] & known[None, :], STRIDE, SIZE
    )
    low = tl.load(ranges + 2 * (FROM + n), mask=known, other=0.0)
    high = tl.load(ranges + 2 * (FROM + n) + 1, mask=known, other=0.0)
    coefficients = low[None, :] + codes * ((high - low) / 255)[None, :]
    return tl.sum(tanh(coefficients) * basis, axis=1)


# Colour models: the specular part (red, green, blue), then tint, Cb and Cr where the model has them. They
# read the features at four texels from `first` on; `least_luma` is 0 where light only adds, or -infinity.


@triton.jit
@no_type_check
def rgb(
    texels, first, x, y, there, ranges, basis, least_luma, N: tl.constexpr, N_WIDE: tl.constexpr,
    STRIDE: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    """`RGBColor`."""
    red = weighted_sum(texels, first, x, y, there, ranges, basis, 0, N, N_WIDE, STRIDE, SIZE)
    green = weighted_sum(texels, first, x, y, there, ranges, basis, N, N, N_WIDE, STRIDE, SIZE)
    blue = weighted_sum(texels, first, x, y, there, ranges, basis, 2 * N, N, N_WIDE, STRIDE, SIZE)
    none = tl.zeros_like(red)
    return red, green, blue, none, none, none


@triton.jit
@no_type_check
def luma_and_chroma(
    texels, first, x, y, there, ranges, basis, least_luma, N: tl.constexpr, N_WIDE: tl.constexpr,
    STRIDE: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    """Tint times luma, RGB(1, Cb, Cr), tint, Cb and Cr."""
    tint = tl.sigmoid(read_feature(texels, first, x, y, there, ranges, 0, STRIDE, SIZE))
    cb = 0.5 * tanh(read_feature(texels, first, x, y, there, ranges, 1, STRIDE, SIZE))
    cr = 0.5 * tanh(read_feature(texels, first, x, y, there, ranges, 2, STRIDE, SIZE))
    luma = weighted_sum(texels, first, x, y, there, ranges, basis, 3, N, N_WIDE, STRIDE, SIZE)
    red, green, blue = 1 + 1.402 * cr, 1 - 0.344136 * cb - 0.714136 * cr, 1 + 1.772 * cb
    return tint * tl.maximum(luma, least_luma), red, green, blue, tint, cb, cr


@triton.jit
@no_type_check
def ycbcr(
    texels, first, x, y, there, ranges, basis, least_luma, N: tl.constexpr, N_WIDE: tl.constexpr,
    STRIDE: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    """`YCbCrColor`."""
    light, red, green, blue, tint, cb, cr = luma_and_chroma(
        texels, first, x, y, there, ranges, basis, least_luma, N, N_WIDE, STRIDE, SIZE
    )
    return light * red, light * green, light * blue, tint, cb, cr


@triton.jit
@no_type_check
def additive_ycbcr(
    texels, first, x, y, there, ranges, basis, least_luma, N: tl.constexpr, N_WIDE: tl.constexpr,
    STRIDE: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    """`AdditiveYCbCrColor`."""
    light, red, green, blue, tint, cb, cr = luma_and_chroma(
        texels, first, x, y, there, ranges, basis, least_luma, N, N_WIDE, STRIDE, SIZE
    )
    return light + red - 1, light + green - 1, light + blue - 1, tint, cb, cr


# Models of normals: x, y and z from the features behind those of the colour.


@triton.jit
@no_type_check
def no_normals(
    texels, first, x, y, there, ranges, FROM: tl.constexpr, STRIDE: tl.constexpr, SIZE: tl.constexpr
):
    """`NoNormals`."""
    none = tl.zeros_like(x)
    return none, none, none


@triton.jit
@no_type_check
def flat_normals(
    texels, first, x, y, there, ranges, FROM: tl.constexpr, STRIDE: tl.constexpr, SIZE: tl.constexpr
):
    """`FlatNormals`."""
    none = tl.zeros_like(x)
    return none, none, none - 1


@triton.jit
@no_type_check
def predicted_normals(
    texels, first, x, y, there, ranges, FROM: tl.constexpr, STRIDE: tl.constexpr, SIZE: tl.constexpr
):
    """`PredictedNormals`."""
    nx = read_feature(texels, first, x, y, there, ranges, FROM, STRIDE, SIZE)
    ny = read_feature(texels, first, x, y, there, ranges, FROM + 1, STRIDE, SIZE)
    nz = read_feature(texels, first, x, y, there, ranges, FROM + 2, STRIDE, SIZE) - START
    scale = 1 / tl.maximum(tl.sqrt(nx * nx + ny * ny + nz * nz), 1e-12)
    return nx * scale, ny * scale, nz * scale


# The basis functions ``[pixel, n]`` from their table. A query is two functions: what a ray looks up once, and
# what it looks up on each layer, by that layer's normals.


@triton.jit
@no_type_check
def cell_of(u, CELLS: tl.constexpr):
    """The cell of a table's axis that a coordinate in [0, 1] lies in, and where in it."""
    scaled = tl.minimum(tl.maximum(u, 0.0), 1.0) * (CELLS - 1)
    cell = tl.minimum(scaled.to(tl.int32), CELLS - 2)
    return cell, (scaled - cell.to(tl.float32))[:, None]


@triton.jit
@no_type_check
def read_plane(table, first, x, y, WIDTH: tl.constexpr, N: tl.constexpr, N_WIDE: tl.constexpr):
    """Bilinear reading of the functions at four cells from ``first`` on."""
    n = tl.arange(0, N_WIDE)[None, :]
    at = table + first[:, None] * N + n
    known = n < N
    a = tl.load(at, mask=known, other=0).to(tl.float32)
    b = tl.load(at + N, mask=known, other=0).to(tl.float32)
    c = tl.load(at + WIDTH * N, mask=known, other=0).to(tl.float32)
    d = tl.load(at + (WIDTH + 1) * N, mask=known, other=0).to(tl.float32)
    return mix(a, b, c, d, x, y)


@triton.jit
@no_type_check
def basis_of_view(
    table, vx, vy, vz, DEPTH: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr, N: tl.constexpr,
    N_WIDE: tl.constexpr,
):  # fmt: skip
    """`ViewTable`: all of it is known of a ray."""
    column, x = cell_of((vx + 1) * 0.5, WIDTH)
    row, y = cell_of((vy + 1) * 0.5, HEIGHT)
    return read_plane(table, row * WIDTH + column, x, y, WIDTH, N, N_WIDE)


@triton.jit
@no_type_check
def same_basis(
    basis, table, vx, vy, vz, nx, ny, nz, DEPTH: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr,
    N: tl.constexpr, N_WIDE: tl.constexpr,
):  # fmt: skip
    """What the ray has, whatever the normals."""
    return basis


@triton.jit
@no_type_check
def no_basis(
    table, vx, vy, vz, DEPTH: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr, N: tl.constexpr,
    N_WIDE: tl.constexpr,
):  # fmt: skip
    """Nothing is known before the normals are."""
    return vx[:, None] + tl.zeros([1, N_WIDE], tl.float32)


@triton.jit
@no_type_check
def basis_of_reflection(
    basis, table, vx, vy, vz, nx, ny, nz, DEPTH: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr,
    N: tl.constexpr, N_WIDE: tl.constexpr,
):  # fmt: skip
    """`ReflectionTable`. A normal and its opposite mirror alike: only the cosine needs to be flipped."""
    along = vx * nx + vy * ny + vz * nz
    rx, ry, rz = vx - 2 * along * nx, vy - 2 * along * ny, vz - 2 * along * nz
    scale = 1 / (tl.abs(rx) + tl.abs(ry) + tl.abs(rz))
    px, py = rx * scale, ry * scale
    folded_x = tl.where(px < 0, tl.abs(py) - 1, 1 - tl.abs(py))
    folded_y = tl.where(py < 0, tl.abs(px) - 1, 1 - tl.abs(px))
    column, x = cell_of((tl.where(rz > 0, folded_x, px) + 1) * 0.5, WIDTH)
    row, y = cell_of((tl.where(rz > 0, folded_y, py) + 1) * 0.5, HEIGHT)
    slice_, z = cell_of(tl.abs(along), DEPTH)
    first = (slice_ * HEIGHT + row) * WIDTH + column
    front = read_plane(table, first, x, y, WIDTH, N, N_WIDE)
    back = read_plane(table, first + HEIGHT * WIDTH, x, y, WIDTH, N, N_WIDE)
    return front + (back - front) * z
