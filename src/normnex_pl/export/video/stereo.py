"""Frames of a video for several viewpoints at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import Camera
from normnex_pl.export.paths import CameraPath, Rig
from normnex_pl.export.stereo.eyes import Eyes, Viewpoints
from normnex_pl.export.stereo.layouts import StereoLayout
from normnex_pl.export.stereo.place import place_viewpoints
from normnex_pl.export.video.frames import PHOTO, FrameSource


@dataclass(frozen=True)
class StereoVideo:
    """How a video shows several viewpoints.

    Attributes:
        layout: How the pictures are put together.
        eyes: Where the viewpoints stand.
    """

    layout: StereoLayout
    eyes: Eyes

    def mark(self, source: FrameSource) -> str:
        """Return what the names of the files end in."""
        return self.layout.mark(self.layout.fit(source.camera(torch.eye(3, 4))))

    def frames(
        self, source: FrameSource, path: CameraPath, names: Sequence[str], rig: Rig, width: float
    ) -> Iterator[UInt8[np.ndarray, "_ _ 3"]]:
        """Render a path; all frames converge at one depth.

        Args:
            source: The model and the size of a picture.
            path: Cameras and eyes.
            names: The one component to show.
            rig: Of the capture.
            width: Of the capture, in world units.

        Raises:
            UserError: Several components are to be shown, or the photos, which have no second viewpoint.
        """
        if len(names) != 1 or PHOTO in names:
            raise UserError(
                f"--components: expected one rendered component for stereo, found {' '.join(names)}."
            )
        return self._frames(source, path, names, self._viewpoints(source, rig, width))

    def _frames(
        self, source: FrameSource, path: CameraPath, names: Sequence[str], viewpoints: Viewpoints
    ) -> Iterator[UInt8[np.ndarray, "_ _ 3"]]:
        for c2w, eye in zip(path.c2w, path.eyes, strict=True):
            camera = self.layout.fit(source.camera(c2w))
            pictures = []
            for one in viewpoints.around(camera):
                moved = eye.float() + (one.c2w[:, 3] - camera.c2w[:, 3])
                # From the camera's own place, to the last bit.
                seen_from = one.c2w[:, 3] if eye.equal(c2w[:, 3]) else moved
                (panel,) = source.panels_of(one, seen_from, names)
                pictures.append(panel.picture)
            yield self.layout.join(pictures)

    def _viewpoints(self, source: FrameSource, rig: Rig, width: float) -> Viewpoints:
        camera = self.layout.fit(source.camera(rig.frame))
        mpi = source.mpi

        def render(view: Camera) -> dict[str, Tensor]:
            return mpi.render_image(view.to(mpi.depths.device), source.chunk_size)

        return place_viewpoints(self.layout, self.eyes, camera, render, mpi.geometry, width)
