"""The planes of a scene's MPI: values that are given, and the decisions."""

from __future__ import annotations

from dataclasses import dataclass

from normnex_pl.core.types import Camera, MPIGeometry, PlaneReasons, PlaneSpacing

# The paper pads photos of 1008 x 756 by 200 pixels on each side; paddings in files are for this width.
_PAPER_PADDING = 200
_PAPER_WIDTH = 1008


@dataclass(frozen=True)
class PlaneOverrides:
    """Values that take the place of decisions of a placement; None leaves a decision to it.

    Attributes:
        near: Depth of the first plane, in units of the `Scene`'s world.
        far: Depth of the last plane, in units of the `Scene`'s world.
        spacing: Whether depth or disparity is uniform from plane to plane.
        padding: Padding of the canvas on each side, in pixels of the loaded photos.
        reference: Name of the training view in whose frame the planes stand.
    """

    near: float | None = None
    far: float | None = None
    spacing: PlaneSpacing | None = None
    padding: int | None = None
    reference: str | None = None


@dataclass(frozen=True)
class PlaneChoice:
    """All decisions about planes, with their reasons.

    `mpi_geometry` turns them into the scene's geometry, once the reference camera is known in its final form.

    Attributes:
        reference: Index, among the training views, of the one in whose frame the planes stand.
        near: Depth of the first plane in world units.
        far: Depth of the last plane in world units.
        spacing: Whether depth or disparity is uniform from plane to plane.
        padding: Padding of the canvas on each side, in pixels of the loaded photos.
        reasons: For each of these.
    """

    reference: int
    near: float
    far: float
    spacing: PlaneSpacing
    padding: int
    reasons: PlaneReasons


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
