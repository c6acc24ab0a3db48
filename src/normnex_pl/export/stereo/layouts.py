"""How pictures of several viewpoints are put into one: listed at the end."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import Camera
from normnex_pl.export.stereo.anaglyph import anaglyph
from normnex_pl.export.stereo.eyes import EYE_SHARE

Picture = UInt8[np.ndarray, "_ _ 3"]
# What graphics cards and the displays' own programs open; the largest usual quilts have 4096 pixels a side.
_LARGEST_QUILT = 4096
# Total angle within which a Looking Glass display shows its views, about; more would only be blurred.
_CONE = math.radians(35)
_DIGITS = 5


class StereoLayout(ABC):
    """A way to put pictures together.

    Attributes:
        name: On the command line.
        summary: What a picture holds, in a line.
    """

    name: str
    summary: str

    @property
    @abstractmethod
    def views(self) -> int:
        """Number of viewpoints, from left to right."""

    @abstractmethod
    def fit(self, camera: Camera) -> Camera:
        """Return the camera of a view: cropped or scaled down, if the layout asks for it."""

    @abstractmethod
    def span(self, width: float, convergence: float) -> float:
        """Return the default distance of the outermost viewpoints, in world units.

        Args:
            width: Of the capture.
            convergence: Depth at which the pictures agree.
        """

    @abstractmethod
    def mark(self, camera: Camera) -> str:
        """Return what a file's name ends in, before its ending, so that players know the layout.

        Args:
            camera: Of a view.
        """

    @abstractmethod
    def join(self, pictures: Sequence[Picture]) -> Picture:
        """Put the pictures of all viewpoints together, from left to right."""


@dataclass(frozen=True)
class Pair(StereoLayout):
    """The pictures of two eyes, which stand as far apart as a person's.

    Attributes:
        name: See `StereoLayout`.
        summary: Likewise.
        join_eyes: Puts the left and the right picture into one.
    """

    name: str
    summary: str
    join_eyes: Callable[[Picture, Picture], Picture]

    @property
    @override
    def views(self) -> int:
        return 2

    @override
    def fit(self, camera: Camera) -> Camera:
        return camera

    @override
    def span(self, width: float, convergence: float) -> float:
        return EYE_SHARE * width

    @override
    def mark(self, camera: Camera) -> str:
        return f"_{self.name}"

    @override
    def join(self, pictures: Sequence[Picture]) -> Picture:
        left, right = pictures
        return self.join_eyes(left, right)


def beside_each_other(left: Picture, right: Picture) -> Picture:
    """Put both pictures in full width, the left one on the left."""
    return np.concatenate([left, right], axis=1)


def squeezed(left: Picture, right: Picture) -> Picture:
    """Squeeze both pictures to half of their width: a frame as large as one picture."""
    height, width = left.shape[:2]
    size = (-(-width // 2), height)
    half = [np.asarray(Image.fromarray(eye).resize(size, Image.Resampling.BOX)) for eye in (left, right)]
    return beside_each_other(*half)


# For headsets, 3D screens and parallel viewing; for 3D televisions; for red and cyan glasses.
SIDE_BY_SIDE = Pair("side_by_side", "a pair of full pictures, the left eye's on the left", beside_each_other)
HALF_SIDE_BY_SIDE = Pair("half_side_by_side", "a pair of pictures squeezed to half of their width", squeezed)
ANAGLYPH = Pair("anaglyph", "one picture for glasses with a red left and a cyan right filter", anaglyph)


@dataclass(frozen=True)
class Quilt(StereoLayout):
    """Many views in a grid for a Looking Glass display, as its documentation has it.

    View 0 is the leftmost viewpoint and lies at the bottom left; views go on to the right, then upwards. The
    file's name says how many columns and rows there are and what shape a view has: ``<name>_qs8x6a0.75.png``.

    Attributes:
        columns: Views beside each other.
        rows: Rows of views.
        aspect: Width by height of a view, which is cropped to it; None for the photos'.
    """

    name = "quilt"
    summary = "a grid of views for Looking Glass displays, named <name>_qs<columns>x<rows>a<aspect>"

    columns: int = 8
    rows: int = 6
    aspect: float | None = None

    def __post_init__(self) -> None:
        """Raise a UserError if a number is out of range."""
        for name in ("columns", "rows"):
            value = getattr(self, name)
            if not 1 <= value <= 64:
                raise UserError(f"--quilt_{name}: expected 1 to 64, found {value}.")
        if self.columns * self.rows < 2:
            raise UserError("--quilt_columns, --quilt_rows: expected two views at least, found one.")
        if self.aspect is not None and not 0.1 <= self.aspect <= 10:
            raise UserError(f"--quilt_aspect: expected 0.1 to 10, found {self.aspect:g}.")

    @property
    @override
    def views(self) -> int:
        return self.columns * self.rows

    @override
    def fit(self, camera: Camera) -> Camera:
        cropped = camera if self.aspect is None else crop_camera(camera, self.aspect)
        room = min(
            _LARGEST_QUILT / (self.columns * cropped.width), _LARGEST_QUILT / (self.rows * cropped.height)
        )
        return cropped if room >= 1 else scale_camera(cropped, room)

    @override
    def span(self, width: float, convergence: float) -> float:
        return min(width, 2 * convergence * math.tan(_CONE / 2))

    @override
    def mark(self, camera: Camera) -> str:
        aspect = camera.width / camera.height if self.aspect is None else self.aspect
        return f"_qs{self.columns}x{self.rows}a{aspect:.{_DIGITS}g}"

    @override
    def join(self, pictures: Sequence[Picture]) -> Picture:
        rows = [
            np.concatenate(pictures[first : first + self.columns], axis=1)
            for first in range(0, self.views, self.columns)
        ]
        return np.concatenate(rows[::-1], axis=0)


LAYOUTS: Mapping[str, StereoLayout] = {
    one.name: one for one in (SIDE_BY_SIDE, HALF_SIDE_BY_SIDE, ANAGLYPH, Quilt())
}


def crop_camera(camera: Camera, aspect: float) -> Camera:
    """Crop a camera's picture around its middle to another shape, never beyond its borders."""
    width = min(camera.width, max(1, round(camera.height * aspect)))
    height = min(camera.height, max(1, round(camera.width / aspect)))
    K = camera.K.clone()
    K[0, 2] -= (camera.width - width) / 2
    K[1, 2] -= (camera.height - height) / 2
    return replace(camera, K=K, width=width, height=height)


def scale_camera(camera: Camera, factor: float) -> Camera:
    """Return a camera of the same view whose picture is smaller: rounded down to whole pixels."""
    width, height = (max(1, math.floor(size * factor)) for size in (camera.width, camera.height))
    K = camera.K.clone()
    K[0] *= width / camera.width
    K[1] *= height / camera.height
    return replace(camera, K=K, width=width, height=height)
