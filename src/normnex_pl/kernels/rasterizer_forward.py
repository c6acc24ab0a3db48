"""The forward pass of `normnex_pl.kernels.rasterizer`: one program a block of rays, front to back."""

from __future__ import annotations

from normnex_pl.kernels.language import tl, triton
from normnex_pl.kernels.plane_reading import clamp_color, corners, load_ray, read_channel, read_opacity


@triton.jit
def composite_forward(  # type: ignore[no-untyped-def]
    alpha, base_color, specular, lines, disparities, sums, weights,
    rays, layers, sublayers, height, width, base_height, base_width, offset, least_transparency, least_light,
    OPAQUE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Composite a block of rays; see `composite_textures` for what is stored."""
    ray = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = ray < rays
    x, along_x, y, along_y, origin, ahead = load_ray(lines, ray, rays, inside)
    passed = tl.where(inside, 1.0, 0.0)
    zero = tl.zeros((BLOCK,), tl.float32)
    red, green, blue, diffuse_red, diffuse_green, diffuse_blue = zero, zero, zero, zero, zero, zero
    total, disparity, spread, moment, depth = zero, zero, zero, zero, zero
    planes = layers * sublayers
    gaps = tl.maximum(planes - 1, 1) * 1.0
    layer = 0
    brightest = 1.0
    while (layer < layers) & (brightest > least_light):
        shine = specular + (ray.to(tl.int64) * layers + layer) * 3
        shine_red, shine_green = tl.load(shine, inside, 0.0), tl.load(shine + 1, inside, 0.0)
        shine_blue = tl.load(shine + 2, inside, 0.0)
        before = total
        for sublayer in range(sublayers):
            plane = layer * sublayers + sublayer
            nearness = tl.load(disparities + plane)
            u, v = x + along_x * nearness, y + along_y * nearness
            seen = inside & (tl.abs(u) <= 1) & (tl.abs(v) <= 1) & ((1 / nearness - origin) * ahead > 0)
            i, j, k, l, a, b, c, d = corners(u, v, height, width)  # noqa: E741
            texture = alpha + plane.to(tl.int64) * height * width
            opacity = read_opacity(texture, i, j, k, l, a, b, c, d, seen, offset)
            if OPAQUE:
                opacity = tl.where(seen & (plane == planes - 1), 1.0, opacity)
            weight = opacity * passed
            passed *= 1 - tl.minimum(opacity, 1 - least_transparency)
            i, j, k, l, a, b, c, d = corners(u, v, base_height, base_width)  # noqa: E741
            texture = base_color + tl.cast(layer, tl.int64) * 3 * base_height * base_width
            base = read_channel(texture, i, j, k, l, a, b, c, d, seen)
            red += weight * clamp_color(base + shine_red)
            diffuse_red += weight * base
            texture += base_height * base_width
            base = read_channel(texture, i, j, k, l, a, b, c, d, seen)
            green += weight * clamp_color(base + shine_green)
            diffuse_green += weight * base
            texture += base_height * base_width
            base = read_channel(texture, i, j, k, l, a, b, c, d, seen)
            blue += weight * clamp_color(base + shine_blue)
            diffuse_blue += weight * base
            index = plane / gaps
            spread += 2 * weight * (index * total - moment) + weight * weight / (3 * gaps)
            moment += weight * index
            total += weight
            disparity += weight * nearness
            depth += weight / nearness
        tl.store(weights + layer * rays + ray, total - before, inside)
        layer += 1
        brightest = tl.max(passed, axis=0)
    sums += ray
    tl.store(sums, red, inside)
    tl.store(sums + rays, green, inside)
    tl.store(sums + 2 * rays, blue, inside)
    tl.store(sums + 3 * rays, total, inside)
    tl.store(sums + 4 * rays, disparity, inside)
    tl.store(sums + 5 * rays, spread, inside)
    tl.store(sums + 6 * rays, moment, inside)
    tl.store(sums + 7 * rays, depth, inside)
    tl.store(sums + 8 * rays, diffuse_red, inside)
    tl.store(sums + 9 * rays, diffuse_green, inside)
    tl.store(sums + 10 * rays, diffuse_blue, inside)
