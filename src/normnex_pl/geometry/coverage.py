"""How far planes reach for cameras, and how far apart they look to them: in pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from normnex_pl.core.types import Camera, MPIGeometry, Rays
from normnex_pl.geometry.planes import canvas_coordinates, planes_ahead


def pixel_grid(width: int, height: int, columns: int, rows: int) -> Integer[Tensor, "pixel 2"]:
    """Pixels evenly spread over a picture, those of its borders included.

    Returns:
        Column and row of each.
    """
    x = torch.linspace(0, width - 1, columns).round().long()
    y = torch.linspace(0, height - 1, rows).round().long()
    return torch.stack([x.expand(rows, columns), y[:, None].expand(rows, columns)], dim=-1).reshape(-1, 2)


def pixels_beyond_picture(
    rays: Rays, depths: Float[Tensor, "plane"], geometry: MPIGeometry
) -> Float[Tensor, "ray plane"]:
    """Return how far outside of the reference picture rays meet planes: the padding that each of them needs.

    Args:
        rays: In the reference frame.
        depths: Of the planes in world units, in the type of the rays.
        geometry: The canvas; its padding doesn't matter.

    Returns:
        Pixels of the reference picture from its nearest border; negative inside. Planes that a ray has
        behind it need none (minus infinity); a ray that goes away from the planes, or along them, needs more
        than there can be (infinity).
    """
    bare = replace(geometry, padding=0)
    half = rays.origins.new_tensor([bare.width / 2, bare.height / 2])
    beyond = ((canvas_coordinates(rays, depths, bare).abs() - 1) * half).amax(dim=-1)
    beyond = torch.where(planes_ahead(rays, depths), beyond, -math.inf)
    turned_away = rays.directions[..., 2] <= 0
    return torch.where(turned_away[:, None], math.inf, beyond)


def share_outside(beyond: Float[Tensor, "*ray"], padding: int) -> float:
    """Share of the places that lie outside of a canvas with this padding, see `pixels_beyond_picture`."""
    return float((beyond > padding).double().mean())


def largest_baseline(cameras: Iterable[Camera]) -> float:
    """Largest distance of a camera from the reference camera's axis, in world units."""
    return max(float(camera.c2w[:2, 3].norm()) for camera in cameras)


def parallax(focal: float, baseline: float, depth: float, other_depth: float) -> float:
    """By how many pixels two depths move against each other, between two cameras that look the same way.

    f b |1/z - 1/z'|: Chai et al., Plenoptic sampling, SIGGRAPH 2000; planes less than a pixel apart
    in this sense show no gaps.

    Args:
        focal: Focal length in pixels.
        baseline: Distance of the cameras, across the axis.
        depth: In the units of the baseline.
        other_depth: Likewise.
    """
    return focal * baseline * abs(1 / depth - 1 / other_depth)
