"""The planes of a scene's MPI: values that are given, and the decisions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import Camera, MPIGeometry, PlaneReasons, PlaneSpacing, SeenDepths

# The paper pads photos of 1008 x 756 by 200 pixels on each side; paddings in files are for this width.
_PAPER_PADDING = 200
_PAPER_WIDTH = 1008
# Ends that are given twice may be rounded once.
_SAME = 1e-4
_NAMED = 8


@dataclass(frozen=True)
class PlaneOverrides:
    """Values that take the place of decisions of a placement; None leaves a decision to it.

    Attributes:
        near: Depth of the first plane, in units of the `Scene`'s world.
        far: Depth of the last plane, in units of the `Scene`'s world.
        spacing: Whether depth or disparity is uniform from plane to plane; or the depths of planes, from near
            to far, which give these two as well.
        padding: Padding of the canvas on each side, in pixels of the loaded photos.
        reference: Name of the training view in whose frame the planes stand.

    Raises:
        UserError: Listed depths don't increase from above zero, or near and far are others.
    """

    near: float | None = None
    far: float | None = None
    spacing: PlaneSpacing | None = None
    padding: int | None = None
    reference: str | None = None

    def __post_init__(self) -> None:
        if self.spacing is None or isinstance(self.spacing, str):
            return
        depths = tuple(map(float, self.spacing))
        check_depths("planes.spacing", depths)
        for name, end in (("near", depths[0]), ("far", depths[-1])):
            given = getattr(self, name)
            if given is not None and not math.isclose(given, end, rel_tol=_SAME):
                raise UserError(
                    f"planes.{name}: expected that of the listed depths, {end:g}, found {given:g}. "
                    "Leave it out."
                )
            object.__setattr__(self, name, end)
        object.__setattr__(self, "spacing", depths)


@dataclass(frozen=True)
class PlaneChoice:
    """All decisions about planes, with their reasons.

    `mpi_geometry` turns them into the scene's geometry, once the reference camera is known in its final form.

    Attributes:
        reference: Index, among the training views, of the one in whose frame the planes stand.
        near: Depth of the first plane in world units.
        far: Depth of the last plane in world units.
        spacing: See `MPIGeometry`.
        padding: Padding of the canvas on each side, in pixels of the loaded photos.
        reasons: For each of these.
        seen: What the views see, in the frame of the reference.
    """

    reference: int
    near: float
    far: float
    spacing: PlaneSpacing
    padding: int
    reasons: PlaneReasons
    seen: SeenDepths


def check_depths(where: str, depths: Sequence[float]) -> None:
    """Raise a UserError unless depths of planes are two or more and increase from above zero.

    Args:
        where: File or option and place in it, for the message.
        depths: As given there.
    """
    if len(depths) < 2 or not all(before < after for before, after in pairwise((0.0, *depths, math.inf))):
        found = ", ".join(f"{depth:g}" for depth in depths[:_NAMED])
        more = " ..." if len(depths) > _NAMED else ""
        raise UserError(
            f"{where}: expected two or more depths of planes, each farther than the one before it and the "
            f"first above 0, found {found or 'none'}{more}. Correct the list."
        )


def mpi_geometry(camera: Camera, choice: PlaneChoice) -> MPIGeometry:
    """Return the planes in front of the reference camera, with its intrinsics."""
    return MPIGeometry(
        fx=float(camera.K[0, 0]),
        fy=float(camera.K[1, 1]),
        cx=float(camera.K[0, 2]),
        cy=float(camera.K[1, 2]),
        width=camera.width,
        height=camera.height,
        padding=choice.padding,
        near=choice.near,
        far=choice.far,
        spacing=choice.spacing,
    )


def paper_padding(width: int) -> int:
    """Return the paper's padding for photos of a width."""
    return scale_padding(_PAPER_PADDING, width)


def scale_padding(padding: int | float, width: int) -> int:
    """Scale a padding that is meant for photos of the paper's width to photos of another width."""
    return round(padding * width / _PAPER_WIDTH)


def unscale_padding(padding: int, width: int) -> int | float:
    """Return the padding at the paper's width that `scale_padding` takes to this one; whole if it can be."""
    whole = round(padding * _PAPER_WIDTH / width)
    # Three digits err by less than half a pixel of any photo.
    return whole if scale_padding(whole, width) == padding else round(padding * _PAPER_WIDTH / width, 3)
