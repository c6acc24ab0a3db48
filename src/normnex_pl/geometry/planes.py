"""Depths of the planes of an MPI, intersections with rays, and the mapping from canvas to space."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from normnex_pl.core.types import MPIGeometry, Rays
from normnex_pl.geometry.depth_curves import depth_curve


def plane_depths(geometry: MPIGeometry, num_planes: int) -> Float[Tensor, "plane"]:
    """Return the depths of planes in the reference frame, front to back, both bounds included.

    They stand at equal shares of the geometry's depth curve.
    """
    curve = depth_curve(geometry.near, geometry.far, geometry.spacing)
    return curve.at(torch.linspace(0, 1, num_planes, dtype=torch.float64)).float()


def metric_gradient(
    gradient: Float[Tensor, "*sample 3"],
    coordinates: Float[Tensor, "*sample 2"],
    depths: Float[Tensor, "*#sample"],
    spacing: Float[Tensor, "*#sample"],
    geometry: MPIGeometry,
) -> Float[Tensor, "*sample 3"]:
    """Convert derivatives by canvas x, canvas y and plane index to those by metric X, Y and Z.

    With u = fx X / Z + cx, moving in Z at fixed X and Y also moves u, by -(u - cx) / Z: the Jacobian is a
    full matrix. A diagonal one would rotate the normals of all surfaces off the optical axis.

    Args:
        gradient: Derivatives by (canvas x, canvas y, plane index).
        coordinates: Canvas coordinates of the samples.
        depths: Depths of the samples in world units.
        spacing: Derivative of the depth by the plane index; see `PlaneLayout.spacing`.
        geometry: The canvas.

    Returns:
        The gradient in the reference frame, per world unit.
    """
    along_u, along_v, along_index = gradient.unbind(dim=-1)
    u, v = _pixels_off_axis(coordinates, geometry)
    along_u, along_v = along_u / (geometry.canvas_width / 2), along_v / (geometry.canvas_height / 2)
    by_z = along_index / spacing - (along_u * u + along_v * v) / depths
    return torch.stack([along_u * geometry.fx / depths, along_v * geometry.fy / depths, by_z], dim=-1)


def layer_depths(depths: Float[Tensor, "plane"], num_layers: int) -> Float[Tensor, "layer"]:
    """Return the depth of each layer: the harmonic mean of the depths of its planes.

    Canvas coordinates along a ray are linear in inverse depth, so that at this depth a ray is at the mean of
    its positions on the planes of the layer.
    """
    return 1 / (1 / depths).view(num_layers, -1).mean(dim=1)


def canvas_coordinates(
    rays: Rays, depths: Float[Tensor, "plane"], geometry: MPIGeometry
) -> Float[Tensor, "ray plane 2"]:
    """Intersect rays with fronto-parallel planes of the reference frame.

    A ray o + t v meets the plane of depth d at t = (d - o_z) / v_z. Its point X projects to
    u = fx X_x / d + cx + padding, where X_x / d = s + (o_x - s o_z) / d with the slope s = v_x / v_z.

    Args:
        rays: A batch of rays; those parallel to the planes give infinite coordinates.
        depths: In world units.
        geometry: The canvas.

    Returns:
        x and y, -1 and 1 at the borders of the canvas (``align_corners=False``). Planes are the outer axis in
        memory: reading the texture of one plane after the other makes good use of the cache.
    """
    x = _axis_coordinates(rays, depths, 0, geometry.fx, geometry.cx + geometry.padding, geometry.canvas_width)
    y = _axis_coordinates(
        rays, depths, 1, geometry.fy, geometry.cy + geometry.padding, geometry.canvas_height
    )
    return torch.stack([x, y], dim=-1).transpose(0, 1)


def canvas_lines(rays: Rays, geometry: MPIGeometry) -> Float[Tensor, "6 ray"]:
    """Return rays as lines on the canvas, which they run along with the inverse depth q of a plane.

    A ray meets the plane at the canvas coordinates (x_0 + q x_1, y_0 + q y_1), see `canvas_coordinates`. The
    plane lies ahead of the ray's origin if (1 / q - o_z) v_z > 0.

    Args:
        rays: A batch of rays.
        geometry: The canvas.

    Returns:
        The rows x_0, x_1, y_0, y_1, o_z and v_z.
    """
    centre_x, centre_y = geometry.cx + geometry.padding, geometry.cy + geometry.padding
    x = _axis_line(rays, 0, geometry.fx, centre_x, geometry.canvas_width)
    y = _axis_line(rays, 1, geometry.fy, centre_y, geometry.canvas_height)
    return torch.stack([*x, *y, rays.origins[:, 2], rays.directions[:, 2]])


def planes_ahead(rays: Rays, depths: Float[Tensor, "plane"]) -> Bool[Tensor, "ray plane"]:
    """Return whether rays meet planes in front of their origins: a camera may have moved past near planes."""
    return ((depths[:, None] - rays.origins[:, 2]) / rays.directions[:, 2] > 0).T


def _axis_coordinates(
    rays: Rays, depths: Float[Tensor, "plane"], axis: int, focal: float, centre: float, size: int
) -> Float[Tensor, "plane ray"]:
    """Return one of the two canvas coordinates.

    Focal length, centre and size are Python numbers: copying a tensor from the host would stall the device.
    """
    slope = rays.directions[:, axis] / rays.directions[:, 2]
    shift = rays.origins[:, axis] - slope * rays.origins[:, 2]
    pixels = focal * (slope + shift / depths[:, None]) + centre
    return pixels * (2 / size) - 1


def _axis_line(rays: Rays, axis: int, focal: float, centre: float, size: int) -> tuple[Tensor, Tensor]:
    """Return one canvas coordinate at infinity, and its derivative by the inverse depth."""
    slope = rays.directions[:, axis] / rays.directions[:, 2]
    shift = rays.origins[:, axis] - slope * rays.origins[:, 2]
    return (focal * slope + centre) * (2 / size) - 1, shift * (focal * 2 / size)


def plane_points(rays: Rays, depths: Float[Tensor, "plane"]) -> Float[Tensor, "*ray plane 3"]:
    """Return the points in the reference frame where rays meet the planes.

    Args:
        rays: Of any shape; not parallel to the planes.
        depths: In world units.
    """
    distance = (depths - rays.origins[..., 2:]) / rays.directions[..., 2:]
    return rays.origins[..., None, :] + distance[..., None] * rays.directions[..., None, :]


def canvas_grid(height: int, width: int, device: torch.device) -> Float[Tensor, "height width 2"]:
    """Return the canvas coordinates of the centres of a grid's cells."""
    y = (2 * torch.arange(height, device=device) + 1) / height - 1
    x = (2 * torch.arange(width, device=device) + 1) / width - 1
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)], dim=-1)


def canvas_points(
    coordinates: Float[Tensor, "*sample 2"], depths: Float[Tensor, "*sample"], geometry: MPIGeometry
) -> Float[Tensor, "*sample 3"]:
    """Return the points in the reference frame at canvas coordinates and depths of the reference camera."""
    u, v = _pixels_off_axis(coordinates, geometry)
    return torch.stack([u * depths / geometry.fx, v * depths / geometry.fy, depths], dim=-1)


def _pixels_off_axis(
    coordinates: Float[Tensor, "*sample 2"], geometry: MPIGeometry
) -> tuple[Float[Tensor, "*sample"], Float[Tensor, "*sample"]]:
    """Convert canvas coordinates to pixels to the right of and below the principal point."""
    x, y = coordinates.unbind(dim=-1)
    u = (x + 1) * (geometry.canvas_width / 2) - (geometry.cx + geometry.padding)
    v = (y + 1) * (geometry.canvas_height / 2) - (geometry.cy + geometry.padding)
    return u, v
