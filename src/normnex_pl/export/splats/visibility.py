"""Which texels of a baked image the capture's views see: plane by plane, front to back."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from normnex_pl.core.types import Camera, MPIGeometry
from normnex_pl.geometry.cameras import image_rays, project
from normnex_pl.geometry.planes import canvas_coordinates, canvas_points


class LightLeft:
    """The light that is left in some views after the planes so far.

    Args:
        cameras: The views.
        geometry: Of the multiplane image.
    """

    def __init__(self, cameras: Sequence[Camera], geometry: MPIGeometry) -> None:
        self._cameras = list(cameras)
        self._geometry = geometry
        self._rays = [image_rays(camera).split(camera.width * camera.height)[0] for camera in self._cameras]
        self._light = [torch.ones(camera.height, camera.width, device=camera.K.device) for camera in cameras]

    def pass_plane(
        self,
        depth: float,
        alpha: Float[Tensor, "height width"],
        coordinates: Float[Tensor, "texel 2"],
        opacity: Float[Tensor, "texel"],
    ) -> Float[Tensor, "texel"]:
        """Return the largest weight of texels of the next plane in any view, and take its light away.

        Args:
            depth: Of the plane.
            alpha: Its opacities, on the whole canvas.
            coordinates: Canvas coordinates of some of its texels.
            opacity: Opacities of these.
        """
        points = canvas_points(coordinates, torch.full_like(opacity, depth), self._geometry)
        at = torch.tensor([depth], device=alpha.device)
        largest = torch.zeros_like(opacity)
        for index, (camera, rays) in enumerate(zip(self._cameras, self._rays, strict=True)):
            u, v, distance = project(camera, points).unbind(dim=-1)
            xy = torch.stack([2 * u / camera.width - 1, 2 * v / camera.height - 1], dim=-1)
            seen = (xy.abs() <= 1).all(dim=-1) & (distance > 0)
            light = _read(self._light[index], xy.clamp(-2, 2)) * seen
            largest = torch.maximum(largest, light * opacity)
            met = canvas_coordinates(rays, at, self._geometry)[:, 0].nan_to_num(nan=2.0).clamp(-2, 2)
            self._light[index] *= 1 - _read(alpha, met).view_as(self._light[index])
        return largest


def _read(picture: Float[Tensor, "height width"], xy: Float[Tensor, "point 2"]) -> Float[Tensor, "point"]:
    """Read a picture bilinearly, zero outside."""
    return F.grid_sample(picture[None, None], xy[None, None], align_corners=False)[0, 0, 0]
