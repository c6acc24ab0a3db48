"""The gradients of `normnex_pl.kernels.rasterizer`: a second pass over the planes, front to back again."""

from __future__ import annotations

from normnex_pl.kernels.colors import color
from normnex_pl.kernels.language import tl, triton
from normnex_pl.kernels.plane_reading import (
    clamp_color,
    corners,
    load_ray,
    read_opacity,
    through_clamp,
)


@triton.jit
def _give(place, gradient, color, there):  # type: ignore[no-untyped-def]
    """Add the gradient of a colour to that of its raw value."""
    tl.atomic_add(place, gradient * color * (1 - color), there, sem="relaxed")


@triton.jit
def _give_channel(  # type: ignore[no-untyped-def]
    texture, target, i, j, k, l, a, b, c, d, shine, passed_on, weight, seen, there,  # noqa: E741
):  # fmt: skip
    """Add the gradients of one colour channel to its texels, given what the ray's colour passes on.

    Returns:
        The clamped colour of the plane, and the gradient by the specular part.
    """
    upper_left, upper_right = color(texture, i, seen), color(texture, j, seen)
    lower_left, lower_right = color(texture, k, seen), color(texture, l, seen)
    shown = a * upper_left + b * upper_right + c * lower_left + d * lower_right + shine
    gradient = through_clamp(shown, passed_on * weight)
    _give(target + i, gradient * a, upper_left, there)
    _give(target + j, gradient * b, upper_right, there)
    _give(target + k, gradient * c, lower_left, there)
    _give(target + l, gradient * d, lower_right, there)
    return clamp_color(shown), gradient


@triton.jit
def composite_backward(  # type: ignore[no-untyped-def]
    alpha, base_color, specular, lines, disparities,
    sums, by_sums, by_weights, ends, by_alpha, by_base, by_specular,
    rays, layers, sublayers, height, width, base_height, base_width, offset, least_transparency, least_light,
    OPAQUE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Add the gradients of a block of rays to those of the textures; store those of the specular parts."""
    ray = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = ray < rays
    x, along_x, y, along_y, origin, ahead = load_ray(lines, ray, rays, inside)
    by_sums += ray
    by_red, by_green = tl.load(by_sums, inside, 0.0), tl.load(by_sums + rays, inside, 0.0)
    by_blue, by_acc = tl.load(by_sums + 2 * rays, inside, 0.0), tl.load(by_sums + 3 * rays, inside, 0.0)
    by_disparity = tl.load(by_sums + 4 * rays, inside, 0.0)
    by_spread = 2 * tl.load(by_sums + 5 * rays, inside, 0.0)
    total = tl.load(sums + 3 * rays + ray, inside, 0.0)
    moment = tl.load(sums + 6 * rays + ray, inside, 0.0)
    rest = tl.load(ends + ray, inside, 0.0)  # of weight times gradient by the weight, over the planes behind
    total_before, moment_before = tl.zeros((BLOCK,), tl.float32), tl.zeros((BLOCK,), tl.float32)
    passed = tl.where(inside, 1.0, 0.0)
    planes = layers * sublayers
    gaps = tl.maximum(planes - 1, 1) * 1.0
    texels = base_height * base_width
    layer = 0
    brightest = 1.0
    while (layer < layers) & (brightest > least_light):
        place = (ray.to(tl.int64) * layers + layer) * 3
        shine_red, shine_green = (
            tl.load(specular + place, inside, 0.0),
            tl.load(specular + place + 1, inside, 0.0),
        )
        shine_blue = tl.load(specular + place + 2, inside, 0.0)
        by_layer = tl.load(by_weights + layer * rays + ray, inside, 0.0) + by_acc
        by_shine_red, by_shine_green = tl.zeros((BLOCK,), tl.float32), tl.zeros((BLOCK,), tl.float32)
        by_shine_blue = tl.zeros((BLOCK,), tl.float32)
        for sublayer in range(sublayers):
            plane = layer * sublayers + sublayer
            nearness = tl.load(disparities + plane)
            u, v = x + along_x * nearness, y + along_y * nearness
            seen = inside & (tl.abs(u) <= 1) & (tl.abs(v) <= 1) & ((1 / nearness - origin) * ahead > 0)
            i, j, k, l, a, b, c, d = corners(u, v, height, width)  # noqa: E741
            start = plane.to(tl.int64) * height * width
            opacity = read_opacity(alpha + start, i, j, k, l, a, b, c, d, seen, offset)
            learns = seen
            if OPAQUE:
                learns = seen & (plane != planes - 1)
                opacity = tl.where(seen & (plane == planes - 1), 1.0, opacity)
            weight = opacity * passed
            e, f, g, h, m, n, o, p = corners(u, v, base_height, base_width)
            texture = base_color + tl.cast(layer, tl.int64) * 3 * texels
            target = by_base + tl.cast(layer, tl.int64) * 3 * texels
            there = seen & (weight != 0)
            color, given = _give_channel(
                texture, target, e, f, g, h, m, n, o, p, shine_red, by_red, weight, seen, there
            )
            by_weight = by_layer + by_disparity * nearness + by_red * color
            by_shine_red += given
            color, given = _give_channel(
                texture + texels, target + texels, e, f, g, h, m, n, o, p,
                shine_green, by_green, weight, seen, there,
            )  # fmt: skip
            by_weight += by_green * color
            by_shine_green += given
            color, given = _give_channel(
                texture + 2 * texels, target + 2 * texels, e, f, g, h, m, n, o, p,
                shine_blue, by_blue, weight, seen, there,
            )  # fmt: skip
            by_weight += by_blue * color
            by_shine_blue += given
            index = plane / gaps
            farther = (
                index * (2 * total_before + weight - total) + moment - 2 * moment_before - weight * index
            )
            by_weight += by_spread * (farther + weight / (3 * gaps))
            total_before += weight
            moment_before += weight * index
            rest -= weight * by_weight
            transparency = 1 - tl.minimum(opacity, 1 - least_transparency)
            by_opacity = passed * by_weight - tl.where(
                opacity < 1 - least_transparency, rest / transparency, 0.0
            )
            by_raw = by_opacity * opacity * (1 - opacity)
            learns &= by_raw != 0
            target = by_alpha + start
            tl.atomic_add(target + i, by_raw * a, learns, sem="relaxed")
            tl.atomic_add(target + j, by_raw * b, learns, sem="relaxed")
            tl.atomic_add(target + k, by_raw * c, learns, sem="relaxed")
            tl.atomic_add(target + l, by_raw * d, learns, sem="relaxed")
            passed *= transparency
        tl.store(by_specular + place, by_shine_red, inside)
        tl.store(by_specular + place + 1, by_shine_green, inside)
        tl.store(by_specular + place + 2, by_shine_blue, inside)
        layer += 1
        brightest = tl.max(passed, axis=0)
