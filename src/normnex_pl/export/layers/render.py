"""Render flat pictures in space as other programs do: bilinear textures, blended over each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from normnex_pl.core.types import Camera, Rays
from normnex_pl.export.layers.stack import LayerStack
from normnex_pl.geometry.cameras import image_rays
from normnex_pl.geometry.planes import plane_points, planes_ahead


@dataclass(frozen=True)
class Quad:
    """A picture that stands upright in the reference frame.

    Attributes:
        rgba: sRGB, not multiplied by the opacity, and the opacity.
        depth: World units.
        corners: Left, top, right and bottom, world units.
    """

    rgba: UInt8[Tensor, "height width 4"]
    depth: float
    corners: tuple[float, float, float, float]


def quads_of(stack: LayerStack) -> list[Quad]:
    """Return the pictures of a stack, front to back."""
    return [Quad(layer.rgba, layer.depth, stack.corners(layer)) for layer in stack.layers]


def render_quads(quads: Sequence[Quad], camera: Camera) -> Float[Tensor, "height width 3"]:
    """Render pictures on black.

    Args:
        quads: Front to back.
        camera: In the reference frame; its device renders.
    """
    (rays,) = image_rays(camera).split(camera.width * camera.height)
    light = torch.ones_like(rays.origins[:, :1])
    color = torch.zeros_like(rays.origins)
    for quad in quads:
        rgb, alpha = _read(quad, rays)
        color += light * alpha * rgb
        light = light * (1 - alpha)
    return color.view(camera.height, camera.width, 3)


def _read(quad: Quad, rays: Rays) -> tuple[Float[Tensor, "ray 3"], Float[Tensor, "ray 1"]]:
    """Read colours and opacities where rays meet a picture; the opacity beside it is 0."""
    depth = rays.origins.new_tensor([quad.depth])
    points = plane_points(rays, depth)[:, 0, :2].nan_to_num(nan=torch.inf)
    left, top, right, bottom = quad.corners
    begin, size = points.new_tensor([left, top]), points.new_tensor([right - left, bottom - top])
    inside = (points - begin) / size
    picture = quad.rgba.to(points.device).movedim(-1, 0)[None].float() / 255
    grid = (2 * inside - 1).clamp(-2, 2)[None, None]
    values = F.grid_sample(picture, grid, padding_mode="border", align_corners=False)[0, :, 0].T
    seen = ((inside >= 0) & (inside <= 1)).all(dim=-1, keepdim=True) & planes_ahead(rays, depth)
    return values[:, :3], values[:, 3:] * seen
