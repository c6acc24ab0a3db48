"""Coverage of the canvas by rays, and parallax between planes, in pixels."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from normnex_pl.core.types import MPIGeometry, Rays
from normnex_pl.geometry.planes import canvas_coordinates, planes_ahead


def pixel_grid(width: int, height: int, columns: int, rows: int) -> Integer[Tensor, "pixel 2"]:
    """Spread pixels evenly over an image, its borders included.

    Returns:
        Column and row of each pixel.
    """
    x = torch.linspace(0, width - 1, columns).round().long()
    y = torch.linspace(0, height - 1, rows).round().long()
    return torch.stack([x.expand(rows, columns), y[:, None].expand(rows, columns)], dim=-1).reshape(-1, 2)


def pixels_beyond_picture(
    rays: Rays, depths: Float[Tensor, "plane"], geometry: MPIGeometry
) -> Float[Tensor, "ray plane"]:
    """Return how far outside the reference image rays meet planes: the padding that each of them needs.

    Args:
        rays: In the reference frame.
        depths: Depths of the planes in world units, in the dtype of the rays.
        geometry: The canvas; its padding doesn't matter.

    Returns:
        Distances from the nearest border of the reference image in its pixels; negative inside. Planes behind
        the origin of a ray need no padding (minus infinity); a ray that points away from the planes, or runs
        parallel to them, needs more than there can be (infinity).
    """
    bare = replace(geometry, padding=0)
    half = rays.origins.new_tensor([bare.width / 2, bare.height / 2])
    beyond = ((canvas_coordinates(rays, depths, bare).abs() - 1) * half).amax(dim=-1)
    beyond = torch.where(planes_ahead(rays, depths), beyond, -math.inf)
    turned_away = rays.directions[..., 2] <= 0
    return torch.where(turned_away[:, None], math.inf, beyond)


def share_outside(beyond: Float[Tensor, "*ray"], padding: int) -> float:
    """Return the share of intersections outside a canvas of this padding; see `pixels_beyond_picture`."""
    return float((beyond > padding).double().mean())


def parallax(focal: float, baseline: float, depth: float, other_depth: float) -> float:
    """Return the parallax in pixels between two depths, seen by two cameras that look in the same direction.

    f b |1/z - 1/z'|: Chai et al., Plenoptic sampling, SIGGRAPH 2000. Planes less than a pixel of
    parallax apart show no gaps.

    Args:
        focal: Focal length in pixels.
        baseline: Distance of the cameras, perpendicular to the viewing direction.
        depth: In the units of the baseline.
        other_depth: Likewise.
    """
    return focal * baseline * abs(1 / depth - 1 / other_depth)
