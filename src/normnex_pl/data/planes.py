"""Where the planes of a scene's MPI stand: what is given, what is chosen, and the check of both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from normnex_pl.errors import UserError
from normnex_pl.types import Camera, MPIGeometry, PlaneReasons, PlaneSpacing

# The paper pads photos of 1008 x 756 by 200 pixels on each side; offsets in files are for this width.
_PAPER_OFFSET = 200
_PAPER_WIDTH = 1008


@dataclass(frozen=True)
class PlaneOverrides:
    """Where the planes shall stand, if not where they are chosen. None leaves a value as it is.

    Attributes:
        near: Depth of the first plane, in units of the `Scene`'s world.
        far: Depth of the last plane, in units of the `Scene`'s world.
        spacing: What is uniform between neighbouring planes.
        offset: Padding of the canvas on each side, in pixels of the loaded photos.
        reference: Name of the training view in whose frame the planes stand.
    """

    near: float | None = None
    far: float | None = None
    spacing: PlaneSpacing | None = None
    offset: int | None = None
    reference: str | None = None


@dataclass(frozen=True)
class PlaneChoice:
    """Where planes stand, before anything is checked.

    Attributes:
        reference: Index, among the training views, of the one in whose frame the planes stand.
        near: Depth of the first plane in world units.
        far: Depth of the last plane in world units.
        spacing: What is uniform between neighbouring planes.
        offset: Padding of the canvas on each side, in pixels of the loaded photos.
        reasons: For each of these.
    """

    reference: int
    near: float
    far: float
    spacing: PlaneSpacing
    offset: int
    reasons: PlaneReasons


def mpi_geometry(root: Path, camera: Camera, bounds: tuple[float, float], choice: PlaneChoice) -> MPIGeometry:
    """Places the planes in front of the reference camera.

    Args:
        root: The scene's folder, for messages.
        camera: The reference camera.
        bounds: Near and far depth that it sees, in units of the scene's world, for messages.
        choice: Where the planes shall stand.

    Returns:
        The MPI, with the camera's intrinsics.

    Raises:
        UserError: The depths aren't 0 < near < far, or the padding is negative.
    """
    if not 0 < choice.near < choice.far < math.inf:
        raise UserError(
            f"{root}: expected plane depths 0 < near < far, found near {choice.near:g} and far "
            f"{choice.far:g}. Correct the given depths or planes.txt; the reference view sees "
            f"{bounds[0]:g} to {bounds[1]:g} in these units."
        )
    if choice.offset < 0:
        raise UserError(
            f"{root}: expected a padding (offset) of 0 or more pixels, found {choice.offset}. Choose another."
        )
    return MPIGeometry(
        fx=float(camera.K[0, 0]),
        fy=float(camera.K[1, 1]),
        cx=float(camera.K[0, 2]),
        cy=float(camera.K[1, 2]),
        width=camera.width,
        height=camera.height,
        offset=choice.offset,
        near=choice.near,
        far=choice.far,
        spacing=choice.spacing,
    )


def paper_offset(width: int) -> int:
    """The paper's padding for photos of a width."""
    return scale_offset(_PAPER_OFFSET, width)


def scale_offset(offset: int, width: int) -> int:
    """Scales a padding that is meant for photos of the paper's width to photos of another width."""
    return round(offset * width / _PAPER_WIDTH)


def unscale_offset(offset: int, width: int) -> int:
    """The padding at the paper's width that `scale_offset` makes at least this one of."""
    return math.ceil(offset * _PAPER_WIDTH / width)
