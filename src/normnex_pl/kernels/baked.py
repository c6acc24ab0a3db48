"""The baked multiplane image as one GPU program a block of pixels: a kernel of Triton.

A program holds a block of pixels and goes through the planes front to back. It reads the textures as they
are stored, bytes in tiles, at four texels a sample; nothing is decoded ahead. Pixels whose ray has ended, or
that meet no tile, read nothing. A plane where no pixel of the block has any opacity costs no colour, and the
features of a layer are read once, at the first of its planes that any pixel sees.

What `manifest` says of colours, normals and the basis is chosen by passing one function or another as an
argument. Triton knows no types but its own: the functions say by names what they take. ``[pixel]`` is the
shape of a block.
"""

from __future__ import annotations

from typing import no_type_check

import triton
import triton.language as tl

from normnex_pl.kernels.baked_reading import locate, read_base_color, read_opacity

# Rays as flat as this, by the ratio of their components, meet no plane on the canvas.
FLATTEST = tl.constexpr(1e-6)


@triton.jit
@no_type_check
def cast_rays(K, c2w, column, row):
    """Origin (three numbers) and directions ``[pixel]`` of rays: `cameras.pixel_rays`."""
    y = (row.to(tl.float32) + 0.5 - tl.load(K + 5)) / tl.load(K + 4)
    x = (column.to(tl.float32) + 0.5 - tl.load(K + 2) - tl.load(K + 1) * y) / tl.load(K)
    vx = x * tl.load(c2w) + y * tl.load(c2w + 1) + tl.load(c2w + 2)
    vy = x * tl.load(c2w + 4) + y * tl.load(c2w + 5) + tl.load(c2w + 6)
    vz = x * tl.load(c2w + 8) + y * tl.load(c2w + 9) + tl.load(c2w + 10)
    return tl.load(c2w + 3), tl.load(c2w + 7), tl.load(c2w + 11), vx, vy, vz


@triton.jit
@no_type_check
def store3(out, area, a, b, c, mask):
    """Write three channels of an image."""
    tl.store(out, a, mask=mask)
    tl.store(out + area, b, mask=mask)
    tl.store(out + 2 * area, c, mask=mask)


@triton.jit
@no_type_check
def clamped(x):
    """Within [0, 1]."""
    return tl.minimum(tl.maximum(x, 0.0), 1.0)


@triton.jit(do_not_specialize=["width", "height"])  # one kernel for pictures of all sizes
@no_type_check
def render_kernel(
    out, K, c2w, width, height,
    focal_x, focal_y, centre_x, centre_y,
    depths, layer_depths,
    alpha_texels, alpha_slots, alpha_ranges,
    base_words, base_slots, base_ranges,
    feature_texels, feature_slots, feature_ranges,
    table, gate, least_luma, least_light, first_opaque,
    LAYERS: tl.constexpr, SUBLAYERS: tl.constexpr,
    ALPHA_HEIGHT: tl.constexpr, ALPHA_WIDTH: tl.constexpr, ALPHA_SIZE: tl.constexpr,
    BASE_HEIGHT: tl.constexpr, BASE_WIDTH: tl.constexpr, BASE_SIZE: tl.constexpr,
    FEATURE_HEIGHT: tl.constexpr, FEATURE_WIDTH: tl.constexpr, FEATURE_SIZE: tl.constexpr,
    STRIDE: tl.constexpr, FEATURES: tl.constexpr, COLOR_FEATURES: tl.constexpr,
    TABLE_DEPTH: tl.constexpr, TABLE_HEIGHT: tl.constexpr, TABLE_WIDTH: tl.constexpr,
    N: tl.constexpr, N_WIDE: tl.constexpr,
    COLOR: tl.constexpr, NORMALS: tl.constexpr, RAY_BASIS: tl.constexpr, LAYER_BASIS: tl.constexpr,
    BLOCK_WIDTH: tl.constexpr, BLOCK_HEIGHT: tl.constexpr,
):  # fmt: skip
    """Render a block of pixels; a grid of programs renders an image.

    Args:
        out: ``[18, height, width]``: rgb, diffuse, specular, tint, chroma, normals, acc, depth, disparity.
        K: Intrinsics, 3x3.
        c2w: Camera to world, 3x4.
        width: Pixels of the image.
        height: Pixels of the image.
        focal_x: Of the canvas, in widths of the canvas.
        focal_y: In heights of the canvas.
        centre_x: Principal point from the left border of the canvas, in widths.
        centre_y: From its upper border, in heights.
        depths: Of the planes.
        layer_depths: Of the layers.
        alpha_texels: Bytes.
        alpha_slots: Table of tiles ``[plane, row, column]``, -1 where there is none.
        alpha_ranges: ``[plane, 1, 2]``.
        base_words: Four bytes a texel, the lowest three being red, green and blue.
        base_slots: Table of tiles of the layers.
        base_ranges: ``[layer, 3, 2]``.
        feature_texels: Bytes, ``STRIDE`` a texel.
        feature_slots: Table of tiles of the layers.
        feature_ranges: ``[layer, feature, 2]``.
        table: Of the basis functions, which are its fastest axis.
        gate: Factor of the specular part.
        least_luma: See the colour models.
        least_light: A ray ends in front of a layer that less of its light reaches.
        first_opaque: Planes from this one on are opaque on the canvas.
        LAYERS: How many.
        SUBLAYERS: Planes a layer.
        ALPHA_HEIGHT: Texels of a texture of opacities, as the next one.
        ALPHA_WIDTH: Its width.
        ALPHA_SIZE: Texels along a stored tile.
        BASE_HEIGHT: Of base colours, as the next two.
        BASE_WIDTH: Its width.
        BASE_SIZE: Of a tile.
        FEATURE_HEIGHT: Of features, as the next two.
        FEATURE_WIDTH: Its width.
        FEATURE_SIZE: Of a tile.
        STRIDE: Bytes of a texel of the features.
        FEATURES: Its channels, ...
        COLOR_FEATURES: ... those in front of the normals'.
        TABLE_DEPTH: Cells along the slowest axis of the table, if it has three.
        TABLE_HEIGHT: Cells along the second axis.
        TABLE_WIDTH: Cells along the fastest one.
        N: Basis functions.
        N_WIDE: The next power of two.
        COLOR: A colour model.
        NORMALS: A model of normals.
        RAY_BASIS: What is looked up once.
        LAYER_BASIS: What is looked up on each layer.
        BLOCK_WIDTH: Pixels of a block: a power of two.
        BLOCK_HEIGHT: Likewise.
    """
    pixel = tl.arange(0, BLOCK_WIDTH * BLOCK_HEIGHT)
    column = tl.program_id(0) * BLOCK_WIDTH + pixel % BLOCK_WIDTH
    row = tl.program_id(1) * BLOCK_HEIGHT + pixel // BLOCK_WIDTH
    in_image = (column < width) & (row < height)
    ox, oy, oz, vx, vy, vz = cast_rays(K, c2w, column, row)
    # Where a ray is on the canvas, from 0 to 1, is linear in the inverse depth: start + turn / depth.
    steep = tl.abs(vz) > (tl.abs(vx) + tl.abs(vy)) * FLATTEST
    slope_x, slope_y = vx / tl.where(steep, vz, 1.0), vy / tl.where(steep, vz, 1.0)
    start_x, turn_x = focal_x * slope_x + centre_x, focal_x * (ox - slope_x * oz)
    start_y, turn_y = focal_y * slope_y + centre_y, focal_y * (oy - slope_y * oz)
    scale = 1 / tl.sqrt(vx * vx + vy * vy + vz * vz)
    vx, vy, vz = vx * scale, vy * scale, vz * scale
    ray_basis = RAY_BASIS(table, vx, vy, vz, TABLE_DEPTH, TABLE_HEIGHT, TABLE_WIDTH, N, N_WIDE)

    none = tl.zeros_like(vx)
    light = none + 1
    red, green, blue, diffuse_red, diffuse_green, diffuse_blue = none, none, none, none, none, none
    tints, cbs, crs, nxs, nys, nzs = none, none, none, none, none, none
    acc, depth_sum, disparity = none, none, none
    for layer in range(LAYERS):
        going = in_image & steep & (light >= least_light)
        if tl.max(going.to(tl.int32), axis=0) > 0:
            unread = 1  # the features of this layer
            gloss_red, gloss_green, gloss_blue, tint, cb, cr = none, none, none, none, none, none
            nx, ny, nz = none, none, none
            for plane in range(layer * SUBLAYERS, (layer + 1) * SUBLAYERS):
                depth = tl.load(depths + plane)
                u, v = start_x + turn_x / depth, start_y + turn_y / depth
                seen = going & (u >= 0) & (u <= 1) & (v >= 0) & (v <= 1) & ((depth - oz) * vz > 0)
                alpha = read_opacity(
                    alpha_texels, alpha_slots, alpha_ranges, plane, u, v, seen, first_opaque,
                    ALPHA_HEIGHT, ALPHA_WIDTH, ALPHA_SIZE,
                )  # fmt: skip
                if tl.max((alpha > 0).to(tl.int32), axis=0) > 0:
                    if unread > 0:
                        unread = 0
                        middle = tl.load(layer_depths + layer)
                        first, x, y, there = locate(
                            feature_slots, layer, start_x + turn_x / middle, start_y + turn_y / middle, going,
                            FEATURE_HEIGHT, FEATURE_WIDTH, FEATURE_SIZE,
                        )  # fmt: skip
                        ranges = feature_ranges + 2 * FEATURES * layer
                        nx, ny, nz = NORMALS(
                            feature_texels, first, x, y, there, ranges, COLOR_FEATURES, STRIDE, FEATURE_SIZE
                        )
                        basis = LAYER_BASIS(
                            ray_basis, table, vx, vy, vz, nx, ny, nz,
                            TABLE_DEPTH, TABLE_HEIGHT, TABLE_WIDTH, N, N_WIDE,
                        )  # fmt: skip
                        gloss_red, gloss_green, gloss_blue, tint, cb, cr = COLOR(
                            feature_texels, first, x, y, there, ranges, basis, least_luma,
                            N, N_WIDE, STRIDE, FEATURE_SIZE,
                        )  # fmt: skip
                        shown = tl.where(there, 1.0, 0.0)
                        gloss_red, gloss_green = gate * shown * gloss_red, gate * shown * gloss_green
                        gloss_blue = gate * shown * gloss_blue
                        tint, cb, cr = shown * tint, shown * cb, shown * cr
                        nx, ny, nz = shown * nx, shown * ny, shown * nz
                    base_red, base_green, base_blue, there = read_base_color(
                        base_words, base_slots, base_ranges, layer, u, v, alpha > 0,
                        BASE_HEIGHT, BASE_WIDTH, BASE_SIZE,
                    )  # fmt: skip
                    alpha = tl.where(there, alpha, 0.0)
                    weight = light * alpha
                    light = light - weight
                    red += weight * clamped(base_red + gloss_red)
                    green += weight * clamped(base_green + gloss_green)
                    blue += weight * clamped(base_blue + gloss_blue)
                    diffuse_red += weight * base_red
                    diffuse_green += weight * base_green
                    diffuse_blue += weight * base_blue
                    tints += weight * tint
                    cbs += weight * cb
                    crs += weight * cr
                    nxs += weight * nx
                    nys += weight * ny
                    nzs += weight * nz
                    acc += weight
                    depth_sum += weight * depth
                    disparity += weight / depth

    # See `BakedMPI` for what follows.
    depth_sum = tl.where(
        acc > 1e-6, depth_sum / tl.maximum(acc, 1e-6), tl.load(depths + LAYERS * SUBLAYERS - 1)
    )
    scale = 1 / tl.maximum(tl.sqrt(nxs * nxs + nys * nys + nzs * nzs), 1e-6)
    area = width * height
    out += row * width + column
    store3(out, area, red, green, blue, in_image)
    store3(out + 3 * area, area, diffuse_red, diffuse_green, diffuse_blue, in_image)
    store3(out + 6 * area, area, red - diffuse_red, green - diffuse_green, blue - diffuse_blue, in_image)
    store3(out + 9 * area, area, tints, cbs, crs, in_image)
    store3(out + 12 * area, area, nxs * scale, nys * scale, nzs * scale, in_image)
    store3(out + 15 * area, area, acc, depth_sum, disparity, in_image)
