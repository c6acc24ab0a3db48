"""Over-compositing without gradients: one pass over the planes of a ray, front to back."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from normnex_pl.kernels import launch
from normnex_pl.kernels.language import tl, triton
from normnex_pl.kernels.plane_reading import clamp_color

_BLOCK = 128
# Sums of a ray: colour, diffuse colour, opacity, depth and disparity.
_SUMS = 9


def composite_planes(
    alpha: Float[Tensor, "ray plane"],
    base_color: Float[Tensor, "ray plane 3"],
    specular: Float[Tensor, "ray layer 3"],
    depths: Float[Tensor, "plane"],
    least_transparency: float,
) -> tuple[Float[Tensor, "ray plane"], Float[Tensor, "9 ray"]]:
    """Compute the weights of the planes, and the sums over planes by these weights.

    Args:
        alpha: Opacities, on a CUDA device.
        base_color: Colours of the planes without the specular part.
        specular: Added to the colours of a layer's planes; the sums are clamped to [0, 1].
        depths: Depths of the planes in world units.
        least_transparency: Share of the light that even an opaque plane lets through.

    Returns:
        The weights; and for each ray the colour (3 rows), the base colour (3), the sum of the weights, and
        the weighted sums of depths and of disparities.

    Raises:
        ValueError: The number of planes is not a multiple of the number of layers.
    """
    rays, planes = alpha.shape
    if planes % specular.shape[1]:
        raise ValueError(
            f"expected as many planes in each layer, found {planes} planes for {specular.shape[1]} layers"
        )
    weights = torch.empty(planes, rays, device=alpha.device).T
    sums = torch.empty(_SUMS, rays, device=alpha.device)
    strides = *alpha.stride(), *base_color.stride(), *specular.stride()
    sizes = rays, planes, planes // specular.shape[1], least_transparency
    tensors = base_color, specular, depths, weights, sums
    launch(_composite, (triton.cdiv(rays, _BLOCK),), alpha, *tensors, *strides, *sizes, BLOCK=_BLOCK)
    return weights, sums


@triton.jit
def _composite(  # type: ignore[no-untyped-def]
    alpha, base_color, specular, depths, weights, sums,
    alpha_ray, alpha_plane, base_ray, base_plane, base_channel,
    specular_ray, specular_layer, specular_channel,
    rays, planes, sublayers, least_transparency, BLOCK: tl.constexpr,
):  # fmt: skip
    ray = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = ray < rays
    alpha += ray * alpha_ray
    base_color += ray * base_ray
    specular += ray * specular_ray
    weights += ray
    passed = tl.full((BLOCK,), 1.0, tl.float32)
    zero = tl.zeros((BLOCK,), tl.float32)
    red, green, blue, diffuse_red, diffuse_green, diffuse_blue = zero, zero, zero, zero, zero, zero
    total, depth, disparity = zero, zero, zero
    for plane in range(planes):
        opacity = tl.load(alpha, inside, 0.0)
        weight = opacity * passed
        passed *= 1 - tl.minimum(opacity, 1 - least_transparency)
        tl.store(weights, weight, inside)
        layer = specular + (plane // sublayers) * specular_layer
        base = tl.load(base_color, inside, 0.0)
        red += weight * clamp_color(base + tl.load(layer, inside, 0.0))
        diffuse_red += weight * base
        base = tl.load(base_color + base_channel, inside, 0.0)
        green += weight * clamp_color(base + tl.load(layer + specular_channel, inside, 0.0))
        diffuse_green += weight * base
        base = tl.load(base_color + 2 * base_channel, inside, 0.0)
        blue += weight * clamp_color(base + tl.load(layer + 2 * specular_channel, inside, 0.0))
        diffuse_blue += weight * base
        distance = tl.load(depths + plane)
        total += weight
        depth += weight * distance
        disparity += weight / distance
        alpha += alpha_plane
        base_color += base_plane
        weights += rays
    sums += ray
    tl.store(sums, red, inside)
    tl.store(sums + rays, green, inside)
    tl.store(sums + 2 * rays, blue, inside)
    tl.store(sums + 3 * rays, diffuse_red, inside)
    tl.store(sums + 4 * rays, diffuse_green, inside)
    tl.store(sums + 5 * rays, diffuse_blue, inside)
    tl.store(sums + 6 * rays, total, inside)
    tl.store(sums + 7 * rays, depth, inside)
    tl.store(sums + 8 * rays, disparity, inside)
