"""Render the frames of a video: a model seen along a camera path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from normnex_pl.core.types import Camera, MPIGeometry, Rays, Scene, View
from normnex_pl.evaluation.baselines import nearest_training_view
from normnex_pl.evaluation.pictures.components import component_panels
from normnex_pl.evaluation.pictures.sheet import Panel
from normnex_pl.export.paths import CameraPath
from normnex_pl.geometry.cameras import image_rays, join_image
from normnex_pl.model.mpi import MPI

PHOTO = "photo"
# Panels that need a photo taken from the same place, which a path doesn't have.
_NOT_SHOWN = ("error",)
# Components under other names than their panels, and those that `component_panels` always needs.
_RENDERED_AS = {"render": "rgb"}
_ALWAYS = {"rgb", "diffuse"}


def frame_camera(geometry: MPIGeometry, c2w: Float[Tensor, "3 4"], width: int, height: int) -> Camera:
    """Return a camera of a path, with the reference camera's horizontal field of view.

    A picture in other proportions than the reference photo's shows less or more above and below.

    Args:
        geometry: The reference camera's intrinsics.
        c2w: In the reference frame.
        width: Of a picture in pixels.
        height: Of a picture in pixels.
    """
    scale = width / geometry.width
    fx, fy, cx = geometry.fx * scale, geometry.fy * scale, geometry.cx * scale
    cy = (geometry.cy - geometry.height / 2) * scale + height / 2
    return Camera(torch.tensor([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]), c2w.float(), width, height)


@torch.no_grad()
def render_seen_from(
    mpi: MPI, camera: Camera, eye: Float[Tensor, "3"], chunk_size: int = 16384
) -> dict[str, Tensor]:
    """Render the geometry seen by a camera in the colours seen from another point.

    A pixel shows the surface at its expected depth; the basis is looked up by the direction from ``eye`` to
    that surface. From the camera's own position this is `MPI.render_image`.

    Args:
        mpi: The model.
        camera: In the reference frame, on the model's device.
        eye: In the reference frame; like the camera in front of all planes, so that both see the same ones.
        chunk_size: Rays at once.

    Returns:
        As `MPI.render_image`.
    """
    parts = []
    for own in image_rays(camera).split(chunk_size):
        samples = mpi.intersect(own)
        stored = mpi.field(samples)
        depth = mpi.shade(own, samples, stored).depth
        distance = (depth - own.origins[:, 2]) / own.directions[:, 2]
        surface = own.origins + distance[:, None] * own.directions
        parts.append(mpi.components(mpi.shade(Rays(own.origins, surface - eye), samples, stored)))
    return join_image(camera, parts)


def available_components(mpi: MPI) -> list[str]:
    """Return the names of the components that a video can show, in the order of a sheet."""
    camera = frame_camera(mpi.geometry, torch.eye(3, 4), 2, 2)
    shown = _on_cpu(mpi.render_image(_moved(camera, mpi.depths.device)))
    view = View(PHOTO, camera, torch.zeros(2, 2, 3, dtype=torch.uint8))
    panels = component_panels(shown, view, mpi.geometry, mpi.color.signed)
    return [panel.name for panel in panels if panel.name not in _NOT_SHOWN]


@dataclass(frozen=True)
class FrameSource:
    """A model and the size of its pictures.

    Attributes:
        mpi: The model, which is rendered on its device.
        scene: The scene with the photos, if available.
        width: Of a picture in pixels.
        height: Of a picture in pixels.
        chunk_size: Rays rendered at once.
    """

    mpi: MPI
    scene: Scene | None
    width: int
    height: int
    chunk_size: int

    def panels(self, path: CameraPath, names: Sequence[str]) -> Iterator[list[Panel]]:
        """Render a path.

        Args:
            path: Cameras and eyes.
            names: Names of the components to show, all of them available.

        Yields:
            The panels of a frame, in the order of ``names``; colour scales are the same in all frames.
        """
        for c2w, eye in zip(path.c2w, path.eyes, strict=True):
            yield self.panels_of(self.camera(c2w), eye.float(), names)

    def camera(self, c2w: Float[Tensor, "3 4"]) -> Camera:
        """Return the camera of a picture at a place of a path."""
        return frame_camera(self.mpi.geometry, c2w, self.width, self.height)

    def panels_of(self, camera: Camera, eye: Float[Tensor, "3"], names: Sequence[str]) -> list[Panel]:
        """Render a picture.

        Args:
            camera: In the reference frame.
            eye: The point from which the colours are seen.
            names: Names of the components to show, all of them available.

        Returns:
            The panels, in the order of ``names``.
        """
        mpi = self.mpi
        wanted = _ALWAYS | {_RENDERED_AS.get(name, name) for name in names}
        shown = {key: value for key, value in self._render(camera, eye).items() if key in wanted}
        view = View(PHOTO, camera, self._photo(camera, eye))
        panels = component_panels(_on_cpu(shown), view, mpi.geometry, mpi.color.signed)
        by_name = {panel.name: _titled(panel) for panel in panels}
        return [by_name[name] for name in names]

    def _render(self, camera: Camera, eye: Float[Tensor, "3"]) -> dict[str, Tensor]:
        device = self.mpi.depths.device
        moved = _moved(camera, device)
        if torch.equal(eye, camera.c2w[:, 3]):
            return self.mpi.render_image(moved, self.chunk_size)
        return render_seen_from(self.mpi, moved, eye.to(device), self.chunk_size)

    def _photo(self, camera: Camera, eye: Float[Tensor, "3"]) -> UInt8[Tensor, "height width 3"]:
        """Return the training photo nearest to the eye, as wide as the picture; black without a scene."""
        if self.scene is None:
            return torch.zeros(camera.height, camera.width, 3, dtype=torch.uint8)
        from_eye = replace(camera, c2w=torch.cat([camera.c2w[:, :3], eye[:, None]], dim=1))
        photo = nearest_training_view(self.scene, from_eye).image.numpy()
        return torch.from_numpy(fit_photo(photo, camera.width, camera.height))


def fit_photo(
    photo: UInt8[np.ndarray, "_ _ 3"], width: int, height: int
) -> UInt8[np.ndarray, "height width 3"]:
    """Scale a photo to a width and crop it, or pad it with black, above and below as `frame_camera` does."""
    scaled_height = max(1, round(photo.shape[0] * width / photo.shape[1]))
    scaled = Image.fromarray(photo).resize((width, scaled_height), Image.Resampling.LANCZOS)
    page = Image.new("RGB", (width, height))
    page.paste(scaled, (0, round((height - scaled_height) / 2)))
    return np.array(page)


def _titled(panel: Panel) -> Panel:
    """Title the photo as the nearest one: it wasn't taken from the camera's place."""
    return replace(panel, title="nearest training photo") if panel.name == PHOTO else panel


def _moved(camera: Camera, device: torch.device) -> Camera:
    return Camera(camera.K.to(device), camera.c2w.to(device), camera.width, camera.height)


def _on_cpu(shown: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: values.cpu() for name, values in shown.items()}
