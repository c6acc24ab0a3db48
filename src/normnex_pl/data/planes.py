"""Where the planes of a scene's MPI stand: what the capture suggests, and what overrides it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from normnex_pl.errors import UserError
from normnex_pl.types import Camera, MPIGeometry, PlaneSpacing

# The paper pads photos of 1008 x 756 by 200 pixels on each side.
_PAPER_OFFSET = 200
_PAPER_WIDTH = 1008


@dataclass(frozen=True)
class PlaneOverrides:
    """Where the planes shall stand, if not where the capture suggests. None leaves a value as it is.

    Attributes:
        near: Depth of the first plane, in units of the `Scene`'s world.
        far: Depth of the last plane, in units of the `Scene`'s world.
        spacing: What is uniform between neighbouring planes.
        offset: Padding of the canvas on each side, in pixels of the loaded photos.
    """

    near: float | None = None
    far: float | None = None
    spacing: PlaneSpacing | None = None
    offset: int | None = None

    def over(self, weaker: PlaneOverrides) -> PlaneOverrides:
        """Fills what is None here from weaker overrides."""
        return PlaneOverrides(
            near=weaker.near if self.near is None else self.near,
            far=weaker.far if self.far is None else self.far,
            spacing=self.spacing or weaker.spacing,
            offset=weaker.offset if self.offset is None else self.offset,
        )


def mpi_geometry(
    root: Path, camera: Camera, bounds: tuple[float, float], overrides: PlaneOverrides
) -> MPIGeometry:
    """Places the planes in front of the reference camera.

    Args:
        root: The scene's folder, for messages.
        camera: The reference camera.
        bounds: Near and far depth that it sees, in units of the scene's world.
        overrides: Stronger than the defaults: the bounds, uniform in depth, the paper's padding.

    Returns:
        The MPI, with the camera's intrinsics.

    Raises:
        UserError: The depths aren't 0 < near < far, or the padding is negative.
    """
    near = bounds[0] if overrides.near is None else overrides.near
    far = bounds[1] if overrides.far is None else overrides.far
    offset = scale_offset(_PAPER_OFFSET, camera.width) if overrides.offset is None else overrides.offset
    if not 0 < near < far < math.inf:
        raise UserError(
            f"{root}: expected plane depths 0 < near < far, found near {near:g} and far {far:g}. Correct "
            "the given depths or planes.txt; the reference view sees "
            f"{bounds[0]:g} to {bounds[1]:g} in these units."
        )
    if offset < 0:
        raise UserError(
            f"{root}: expected a padding (offset) of 0 or more pixels, found {offset}. Choose another."
        )
    return MPIGeometry(
        fx=float(camera.K[0, 0]),
        fy=float(camera.K[1, 1]),
        cx=float(camera.K[0, 2]),
        cy=float(camera.K[1, 2]),
        width=camera.width,
        height=camera.height,
        offset=offset,
        near=near,
        far=far,
        spacing=overrides.spacing or "depth",
    )


def scale_offset(offset: int, width: int) -> int:
    """Scales a padding that is meant for photos of the paper's width to photos of another width."""
    return round(offset * width / _PAPER_WIDTH)
