"""Still pictures for several viewpoints, in one PNG file."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from PIL import Image, PngImagePlugin
from typing_extensions import override

from normnex_pl.core.files import check_place, replacing
from normnex_pl.core.types import Camera
from normnex_pl.evaluation.pictures.colors import to_bytes
from normnex_pl.export.baked.files import baked_folder
from normnex_pl.export.baked.image import BakedMPI
from normnex_pl.export.baked.renderers import render_image
from normnex_pl.export.formats.base import CPU, ExportFormat, NotMeasuredError, ViewRenderer
from normnex_pl.export.paths import capture_width, rig_of_cameras
from normnex_pl.export.stereo.eyes import Eyes, Viewpoints
from normnex_pl.export.stereo.layouts import StereoLayout
from normnex_pl.export.stereo.place import place_viewpoints
from normnex_pl.export.targets import expect_new_file

_ENDING = ".png"
_SOFTWARE = ("Software", "normnex_pl")  # a text chunk of PNG


@dataclass(frozen=True)
class StereoFormat(ExportFormat):
    """Render the baked image from several viewpoints around the middle of the capture.

    Attributes:
        layout: How the pictures are put together.
        eyes: Where the viewpoints stand.
    """

    loses = "all but these views"

    layout: StereoLayout
    eyes: Eyes = field(default_factory=Eyes)

    @property
    def name(self) -> str:  # type: ignore[override]
        """The layout's."""
        return self.layout.name

    @property
    def summary(self) -> str:  # type: ignore[override]
        """The layout's."""
        return f"a PNG picture: {self.layout.summary}"

    @override
    def default_name(self, run: str) -> str:
        return run + _ENDING  # `write` adds the layout's mark

    @override
    def write(self, run: Path, target: Path, device: torch.device = CPU) -> Path:
        folder = baked_folder(run)
        baked = BakedMPI.read(folder).to(device)
        camera = self.layout.fit(middle_camera(baked))
        target = _marked(target, self.layout.mark(camera))
        expect_new_file(target, _ENDING, _is_ours)
        check_place(target.parent)
        viewpoints = baked_viewpoints(baked, camera, self.layout, self.eyes)
        pictures = [to_bytes(render_image(baked, one)["rgb"]) for one in viewpoints.around(camera)]
        text = PngImagePlugin.PngInfo()
        text.add_text(*_SOFTWARE)
        with replacing(target) as temporary:
            Image.fromarray(self.layout.join(pictures)).save(temporary, "png", pnginfo=text)
        return target

    @override
    def open(self, path: Path, device: torch.device) -> ViewRenderer:
        raise NotMeasuredError("these pictures show no held-out view.")


def middle_camera(baked: BakedMPI) -> Camera:
    """Return a camera like the photos', in the middle of the training views."""
    photo, device = baked.manifest.camera, baked.depths.device
    rig = rig_of_cameras(torch.tensor(baked.manifest.viewpoints), baked.geometry)
    K = torch.tensor([[photo.fx, 0, photo.cx], [0, photo.fy, photo.cy], [0, 0, 1]])
    return Camera(K.to(device), rig.frame.float().to(device), photo.width, photo.height)


def baked_viewpoints(baked: BakedMPI, camera: Camera, layout: StereoLayout, eyes: Eyes) -> Viewpoints:
    """Return the viewpoints of a layout around a camera."""
    width = capture_width(torch.tensor(baked.manifest.viewpoints))
    return place_viewpoints(layout, eyes, camera, partial(render_image, baked), baked.geometry, width)


def _marked(target: Path, mark: str) -> Path:
    """Add a layout's mark to a file's name, unless it is there."""
    return target if target.stem.endswith(mark) else target.with_name(f"{target.stem}{mark}{target.suffix}")


def _is_ours(path: Path) -> bool:
    """Return whether a file is an earlier export."""
    try:
        with Image.open(path) as picture:
            return picture.info.get(_SOFTWARE[0]) == _SOFTWARE[1]
    except OSError:
        return False
