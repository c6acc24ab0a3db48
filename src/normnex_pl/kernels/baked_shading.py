"""Triton functions that decode the features of a layer, as specified in `manifest`.

Colour models, models of normals and lookups of the basis; the kernel is compiled for one of each, which
`ModelParts` names. ``[pixel]`` is the shape of a block of pixels; ``SHAPE`` is the `TextureShape` of the
features, ``TABLE`` a `TableShape`.
"""

from __future__ import annotations

from typing import no_type_check

import triton
import triton.language as tl

from normnex_pl.kernels.baked_reading import mix, read_bytes, read_feature

START = tl.constexpr(0.2)  # see `appearance.PredictedNormals`


@triton.jit
@no_type_check
def tanh(x):
    """Compute tanh by the logistic function, which is accurate to 1e-7 here."""
    return 2 * tl.sigmoid(2 * x) - 1


@triton.jit
@no_type_check
def weighted_sum(
    texels, first, x, y, there, ranges, basis, FROM: tl.constexpr, SHAPE: tl.constexpr, TABLE: tl.constexpr
):
    """Sum tanh(k_n) H_n ``[pixel]``, k_n being the features from ``FROM`` on; ``basis`` ``[pixel, n]``."""
    N: tl.constexpr = TABLE.value.functions
    LANES: tl.constexpr = TABLE.value.lanes
    n = tl.arange(0, LANES)
    known = n < N
    channels = (texels + FROM + n)[None, :]
    codes = read_bytes(
        channels, first[:, None], x[:, None], y[:, None], there[:, None] & known[None, :], SHAPE
    )
    low = tl.load(ranges + 2 * (FROM + n), mask=known, other=0.0)
    high = tl.load(ranges + 2 * (FROM + n) + 1, mask=known, other=0.0)
    coefficients = low[None, :] + codes * ((high - low) / 255)[None, :]
    return tl.sum(tanh(coefficients) * basis, axis=1)


# Colour models: the specular part (red, green, blue), then tint, Cb and Cr where the model has them. They
# read the features at four texels from `first` on; `least_luma` is 0 where light only adds, or -infinity.


@triton.jit
@no_type_check
def rgb(texels, first, x, y, there, ranges, basis, least_luma, SHAPE: tl.constexpr, TABLE: tl.constexpr):
    """Evaluate `RGBColor`."""
    N: tl.constexpr = TABLE.value.functions
    red = weighted_sum(texels, first, x, y, there, ranges, basis, 0, SHAPE, TABLE)
    green = weighted_sum(texels, first, x, y, there, ranges, basis, N, SHAPE, TABLE)
    blue = weighted_sum(texels, first, x, y, there, ranges, basis, 2 * N, SHAPE, TABLE)
    none = tl.zeros_like(red)
    return red, green, blue, none, none, none


@triton.jit
@no_type_check
def luma_and_chroma(
    texels, first, x, y, there, ranges, basis, least_luma, SHAPE: tl.constexpr, TABLE: tl.constexpr
):
    """Return tint times luma, RGB(1, Cb, Cr), tint, Cb and Cr."""
    tint = tl.sigmoid(read_feature(texels, first, x, y, there, ranges, 0, SHAPE))
    cb = 0.5 * tanh(read_feature(texels, first, x, y, there, ranges, 1, SHAPE))
    cr = 0.5 * tanh(read_feature(texels, first, x, y, there, ranges, 2, SHAPE))
    luma = weighted_sum(texels, first, x, y, there, ranges, basis, 3, SHAPE, TABLE)
    red, green, blue = 1 + 1.402 * cr, 1 - 0.344136 * cb - 0.714136 * cr, 1 + 1.772 * cb
    return tint * tl.maximum(luma, least_luma), red, green, blue, tint, cb, cr


@triton.jit
@no_type_check
def ycbcr(texels, first, x, y, there, ranges, basis, least_luma, SHAPE: tl.constexpr, TABLE: tl.constexpr):
    """Evaluate `YCbCrColor`."""
    light, red, green, blue, tint, cb, cr = luma_and_chroma(
        texels, first, x, y, there, ranges, basis, least_luma, SHAPE, TABLE
    )
    return light * red, light * green, light * blue, tint, cb, cr


@triton.jit
@no_type_check
def additive_ycbcr(
    texels, first, x, y, there, ranges, basis, least_luma, SHAPE: tl.constexpr, TABLE: tl.constexpr
):
    """Evaluate `AdditiveYCbCrColor`."""
    light, red, green, blue, tint, cb, cr = luma_and_chroma(
        texels, first, x, y, there, ranges, basis, least_luma, SHAPE, TABLE
    )
    return light + red - 1, light + green - 1, light + blue - 1, tint, cb, cr


# Models of normals: x, y and z from the features that follow those of the colour.


@triton.jit
@no_type_check
def no_normals(texels, first, x, y, there, ranges, FROM: tl.constexpr, SHAPE: tl.constexpr):
    """Evaluate `NoNormals`."""
    none = tl.zeros_like(x)
    return none, none, none


@triton.jit
@no_type_check
def flat_normals(texels, first, x, y, there, ranges, FROM: tl.constexpr, SHAPE: tl.constexpr):
    """Evaluate `FlatNormals`."""
    none = tl.zeros_like(x)
    return none, none, none - 1


@triton.jit
@no_type_check
def predicted_normals(texels, first, x, y, there, ranges, FROM: tl.constexpr, SHAPE: tl.constexpr):
    """Evaluate `PredictedNormals`."""
    nx = read_feature(texels, first, x, y, there, ranges, FROM, SHAPE)
    ny = read_feature(texels, first, x, y, there, ranges, FROM + 1, SHAPE)
    nz = read_feature(texels, first, x, y, there, ranges, FROM + 2, SHAPE) - START
    scale = 1 / tl.maximum(tl.sqrt(nx * nx + ny * ny + nz * nz), 1e-12)
    return nx * scale, ny * scale, nz * scale


# The basis functions ``[pixel, n]``, read from their table. A query is two functions: one is called once a
# ray, the other one on each layer with that layer's normals.


@triton.jit
@no_type_check
def cell_of(u, CELLS: tl.constexpr):
    """Find the cell of a table's axis that holds a coordinate in [0, 1], and the position in it."""
    scaled = tl.minimum(tl.maximum(u, 0.0), 1.0) * (CELLS - 1)
    cell = tl.minimum(scaled.to(tl.int32), CELLS - 2)
    return cell, (scaled - cell.to(tl.float32))[:, None]


@triton.jit
@no_type_check
def read_plane(table, first, x, y, TABLE: tl.constexpr):
    """Read the functions bilinearly from the four samples that begin at ``first``."""
    WIDTH: tl.constexpr = TABLE.value.width
    N: tl.constexpr = TABLE.value.functions
    LANES: tl.constexpr = TABLE.value.lanes
    n = tl.arange(0, LANES)[None, :]
    at = table + first[:, None] * N + n
    known = n < N
    a = tl.load(at, mask=known, other=0).to(tl.float32)
    b = tl.load(at + N, mask=known, other=0).to(tl.float32)
    c = tl.load(at + WIDTH * N, mask=known, other=0).to(tl.float32)
    d = tl.load(at + (WIDTH + 1) * N, mask=known, other=0).to(tl.float32)
    return mix(a, b, c, d, x, y)


@triton.jit
@no_type_check
def basis_of_view(table, vx, vy, vz, TABLE: tl.constexpr):
    """Look up a `ViewTable`, for which the ray alone suffices."""
    HEIGHT: tl.constexpr = TABLE.value.height
    WIDTH: tl.constexpr = TABLE.value.width
    column, x = cell_of((vx + 1) * 0.5, WIDTH)
    row, y = cell_of((vy + 1) * 0.5, HEIGHT)
    return read_plane(table, row * WIDTH + column, x, y, TABLE)


@triton.jit
@no_type_check
def same_basis(basis, table, vx, vy, vz, nx, ny, nz, TABLE: tl.constexpr):
    """Return the ray's own functions, whatever the normals."""
    return basis


@triton.jit
@no_type_check
def no_basis(table, vx, vy, vz, TABLE: tl.constexpr):
    """Return zeros of the right shape: a `ReflectionTable` needs the normals of a layer."""
    LANES: tl.constexpr = TABLE.value.lanes
    return vx[:, None] + tl.zeros([1, LANES], tl.float32)


@triton.jit
@no_type_check
def basis_of_reflection(basis, table, vx, vy, vz, nx, ny, nz, TABLE: tl.constexpr):
    """Look up a `ReflectionTable`; a normal and its opposite differ in the cosine's sign alone."""
    DEPTH: tl.constexpr = TABLE.value.depth
    HEIGHT: tl.constexpr = TABLE.value.height
    WIDTH: tl.constexpr = TABLE.value.width
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
    front = read_plane(table, first, x, y, TABLE)
    back = read_plane(table, first + HEIGHT * WIDTH, x, y, TABLE)
    return front + (back - front) * z
