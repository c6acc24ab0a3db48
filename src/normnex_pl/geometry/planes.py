"""Where the planes of an MPI stand, and where rays meet them."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from normnex_pl.types import MPIGeometry, Rays


def plane_depths(geometry: MPIGeometry, num_planes: int) -> Float[Tensor, "plane"]:
    """Depths of the planes in the reference frame, front to back, both bounds included.

    Uniform in depth, or uniform in inverse depth.
    """
    if geometry.spacing == "disparity":
        return 1 / torch.linspace(1 / geometry.near, 1 / geometry.far, num_planes)
    return torch.linspace(geometry.near, geometry.far, num_planes)


def layer_depths(depths: Float[Tensor, "plane"], num_layers: int) -> Float[Tensor, "layer"]:
    """Depth of each layer: the mean of its planes' inverse depths, inverted.

    Canvas coordinates along a ray are linear in inverse depth, so this is where a ray is at the mean of
    its positions on the layer's planes.
    """
    return 1 / (1 / depths).view(num_layers, -1).mean(dim=1)


def canvas_coordinates(
    rays: Rays, depths: Float[Tensor, "plane"], geometry: MPIGeometry
) -> Float[Tensor, "ray plane 2"]:
    """Intersects rays with fronto-parallel planes of the reference frame.

    A ray o + t v meets the plane of depth d at t = (d - o_z) / v_z. Its point X projects to
    u = fx X_x / d + cx + offset, where X_x / d = s + (o_x - s o_z) / d with the slope s = v_x / v_z.

    Args:
        rays: A batch of rays; those parallel to the planes give infinite coordinates.
        depths: In world units.
        geometry: The canvas.

    Returns:
        x and y, -1 and 1 at the borders of the canvas (``align_corners=False``). The planes are the
        outer axis in memory, so that what reads one plane's texture after the other finds it in the cache.
    """
    x = _axis_coordinates(rays, depths, 0, geometry.fx, geometry.cx + geometry.offset, geometry.canvas_width)
    y = _axis_coordinates(rays, depths, 1, geometry.fy, geometry.cy + geometry.offset, geometry.canvas_height)
    return torch.stack([x, y], dim=-1).transpose(0, 1)


def planes_ahead(rays: Rays, depths: Float[Tensor, "plane"]) -> Bool[Tensor, "ray plane"]:
    """Whether a ray meets a plane in front of its origin: a camera may have moved past the near planes."""
    return ((depths[:, None] - rays.origins[:, 2]) / rays.directions[:, 2] > 0).T


def _axis_coordinates(
    rays: Rays, depths: Float[Tensor, "plane"], axis: int, focal: float, centre: float, size: int
) -> Float[Tensor, "plane ray"]:
    """One canvas axis; Python's numbers, since a tensor made on the host would stop the device's queue."""
    slope = rays.directions[:, axis] / rays.directions[:, 2]
    shift = rays.origins[:, axis] - slope * rays.origins[:, 2]
    pixels = focal * (slope + shift / depths[:, None]) + centre
    return pixels * (2 / size) - 1
