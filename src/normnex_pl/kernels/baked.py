"""Render a baked multiplane image: a Triton kernel, one program a block of pixels.

A program holds a block of pixels and goes through the planes front to back. It reads the textures as they
are stored, bytes in tiles, at four texels a sample; nothing is decoded in advance. Pixels whose ray has
ended, or that meet no tile, read nothing. A plane where no pixel of the block has any opacity costs no
colour, and the features of a layer are read once, at the first of its planes that any pixel sees.

The colour model, the normals and the basis lookup of `manifest` are functions of `baked_shading`, chosen when
the kernel is compiled. Triton knows no types but its own: parameters are told apart by their names.
``[pixel]`` is the shape of a block.
"""

from __future__ import annotations

from typing import no_type_check

import triton
import triton.language as tl

from normnex_pl.kernels.baked_reading import locate, read_base_color, read_opacity

# Rays flatter than this, by the ratio of their components, meet no plane on the canvas.
FLATTEST = tl.constexpr(1e-6)


@triton.jit
@no_type_check
def cast_rays(K, c2w, column, row):
    """Compute origin (three numbers) and directions ``[pixel]`` of rays, as `cameras.pixel_rays` does."""
    y = (row.to(tl.float32) + 0.5 - tl.load(K + 5)) / tl.load(K + 4)
    x = (column.to(tl.float32) + 0.5 - tl.load(K + 2) - tl.load(K + 1) * y) / tl.load(K)
    vx = x * tl.load(c2w) + y * tl.load(c2w + 1) + tl.load(c2w + 2)
    vy = x * tl.load(c2w + 4) + y * tl.load(c2w + 5) + tl.load(c2w + 6)
    vz = x * tl.load(c2w + 8) + y * tl.load(c2w + 9) + tl.load(c2w + 10)
    return tl.load(c2w + 3), tl.load(c2w + 7), tl.load(c2w + 11), vx, vy, vz


@triton.jit
@no_type_check
def canvas_line(origin, origin_z, direction, direction_z, focal, centre):
    """Return start and turn of a ray along one axis of the canvas, from 0 to 1: start + turn / depth."""
    slope = direction / direction_z
    return focal * slope + centre, focal * (origin - slope * origin_z)


@triton.jit
@no_type_check
def shade_layer(
    texels, slots, ranges, table, layer, u, v, going, ray_basis, vx, vy, vz, gate, least_luma,
    IMAGE: tl.constexpr,
):  # fmt: skip
    """Read the features of a layer where rays meet it, and decode them.

    Args:
        texels: Of the features, as the next two.
        slots: Table of their tiles.
        ranges: Of their bytes.
        table: Of the basis functions.
        layer: Index of the layer.
        u: Where rays meet the layer, from 0 to 1 across the canvas.
        v: Likewise, down the canvas.
        going: Rays that have not ended.
        ray_basis: What was looked up once for the rays.
        vx: Unit viewing directions, x; then y and z.
        vy: See vx.
        vz: See vx.
        gate: Factor of the specular part.
        least_luma: See the colour models.
        IMAGE: `ImageConstants`.

    Returns:
        Specular red, green and blue, tint, Cb, Cr, and the normal's x, y and z; 0 where there is no tile.
    """
    SHAPE: tl.constexpr = IMAGE.value.features
    TABLE: tl.constexpr = IMAGE.value.table
    CHANNELS: tl.constexpr = SHAPE.value.channels
    NORMALS: tl.constexpr = IMAGE.value.model.normals
    LAYER_BASIS: tl.constexpr = IMAGE.value.model.layer_basis
    COLOR: tl.constexpr = IMAGE.value.model.color
    COLOR_FEATURES: tl.constexpr = IMAGE.value.model.color_features
    first, x, y, there = locate(slots, layer, u, v, going, SHAPE)
    ranges += 2 * CHANNELS * layer
    nx, ny, nz = NORMALS(texels, first, x, y, there, ranges, COLOR_FEATURES, SHAPE)
    basis = LAYER_BASIS(ray_basis, table, vx, vy, vz, nx, ny, nz, TABLE)
    red, green, blue, tint, cb, cr = COLOR(
        texels, first, x, y, there, ranges, basis, least_luma, SHAPE, TABLE
    )
    shown = tl.where(there, 1.0, 0.0)
    red, green, blue = gate * shown * red, gate * shown * green, gate * shown * blue
    return red, green, blue, shown * tint, shown * cb, shown * cr, shown * nx, shown * ny, shown * nz


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
    """Clamp to [0, 1]."""
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
    IMAGE: tl.constexpr, BLOCK: tl.constexpr,
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
        feature_texels: Bytes, ``IMAGE.features.stride`` a texel.
        feature_slots: Table of tiles of the layers.
        feature_ranges: ``[layer, feature, 2]``.
        table: Of the basis functions, which are its fastest axis.
        gate: Factor of the specular part.
        least_luma: See the colour models.
        least_light: A ray ends in front of a layer that less than this share of its light reaches.
        first_opaque: Planes from this one on are opaque on the canvas.
        IMAGE: `ImageConstants`.
        BLOCK: `BlockShape`.
    """
    LAYERS: tl.constexpr = IMAGE.value.layers
    SUBLAYERS: tl.constexpr = IMAGE.value.sublayers
    ALPHA: tl.constexpr = IMAGE.value.alpha
    BASE: tl.constexpr = IMAGE.value.base_color
    TABLE: tl.constexpr = IMAGE.value.table
    RAY_BASIS: tl.constexpr = IMAGE.value.model.ray_basis
    BLOCK_WIDTH: tl.constexpr = BLOCK.value.width
    BLOCK_HEIGHT: tl.constexpr = BLOCK.value.height
    pixel = tl.arange(0, BLOCK_WIDTH * BLOCK_HEIGHT)
    column = tl.program_id(0) * BLOCK_WIDTH + pixel % BLOCK_WIDTH
    row = tl.program_id(1) * BLOCK_HEIGHT + pixel // BLOCK_WIDTH
    in_image = (column < width) & (row < height)
    ox, oy, oz, vx, vy, vz = cast_rays(K, c2w, column, row)
    steep = tl.abs(vz) > (tl.abs(vx) + tl.abs(vy)) * FLATTEST
    divisor = tl.where(steep, vz, 1.0)
    start_x, turn_x = canvas_line(ox, oz, vx, divisor, focal_x, centre_x)
    start_y, turn_y = canvas_line(oy, oz, vy, divisor, focal_y, centre_y)
    scale = 1 / tl.sqrt(vx * vx + vy * vy + vz * vz)
    vx, vy, vz = vx * scale, vy * scale, vz * scale
    ray_basis = RAY_BASIS(table, vx, vy, vz, TABLE)

    none = tl.zeros_like(vx)
    light = none + 1
    red, green, blue, diffuse_red, diffuse_green, diffuse_blue = none, none, none, none, none, none
    tints, cbs, crs, nxs, nys, nzs = none, none, none, none, none, none
    acc, depth_sum, disparity = none, none, none
    for layer in range(LAYERS):
        going = in_image & steep & (light >= least_light)
        if tl.max(going.to(tl.int32), axis=0) > 0:
            unread = 1  # the features of this layer
            specular_red, specular_green, specular_blue = none, none, none
            tint, cb, cr, nx, ny, nz = none, none, none, none, none, none
            for plane in range(layer * SUBLAYERS, (layer + 1) * SUBLAYERS):
                depth = tl.load(depths + plane)
                u, v = start_x + turn_x / depth, start_y + turn_y / depth
                seen = going & (u >= 0) & (u <= 1) & (v >= 0) & (v <= 1) & ((depth - oz) * vz > 0)
                alpha = read_opacity(
                    alpha_texels, alpha_slots, alpha_ranges, plane, u, v, seen, first_opaque, ALPHA
                )
                if tl.max((alpha > 0).to(tl.int32), axis=0) > 0:
                    if unread > 0:
                        unread = 0
                        middle = tl.load(layer_depths + layer)
                        (
                            specular_red, specular_green, specular_blue, tint, cb, cr, nx, ny, nz,
                        ) = shade_layer(
                            feature_texels, feature_slots, feature_ranges, table, layer,
                            start_x + turn_x / middle, start_y + turn_y / middle, going,
                            ray_basis, vx, vy, vz, gate, least_luma, IMAGE,
                        )  # fmt: skip
                    base_red, base_green, base_blue, there = read_base_color(
                        base_words, base_slots, base_ranges, layer, u, v, alpha > 0, BASE
                    )
                    alpha = tl.where(there, alpha, 0.0)
                    weight = light * alpha
                    light = light - weight
                    red += weight * clamped(base_red + specular_red)
                    green += weight * clamped(base_green + specular_green)
                    blue += weight * clamped(base_blue + specular_blue)
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

    # As in `BakedMPI`.
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
