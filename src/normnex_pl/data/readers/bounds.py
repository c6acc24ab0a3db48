"""Depth bounds of views, from the points of a sparse reconstruction or given."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from normnex_pl.core.errors import UserError
from normnex_pl.data.planes.percentiles import Percentiles
from normnex_pl.data.planes.planes_file import read_planes

# With fewer points a percentile is one point's depth.
_FEWEST = 8


@dataclass(frozen=True)
class FixedBounds:
    """Depth bounds that are the same for all views, in the units of a scene's files.

    Attributes:
        near: Depth of the nearest content.
        far: Depth of the farthest content.
    """

    near: float
    far: float

    @classmethod
    def of_planes_file(cls, root: Path) -> FixedBounds | None:
        """Return the depths of the planes in ``planes.txt``, if there is such a file."""
        planes = read_planes(root, width=1)
        return None if planes.near is None or planes.far is None else cls(planes.near, planes.far)

    def of_views(self, count: int) -> Float[np.ndarray, "view 2"]:
        """Return the bounds of each of the views.

        Raises:
            UserError: They aren't 0 < near < far. Checked here, since the parser of the command line would
                wrap an error of the constructor where the bounds are optional.
        """
        if not 0 < self.near < self.far < math.inf:
            raise UserError(
                f"depth bounds: expected 0 < near < far, found near {self.near:g} and far {self.far:g}. "
                "Give others."
            )
        return np.tile([self.near, self.far], (count, 1))


def depths_from(
    c2w: Float[np.ndarray, "3 4"], points: Float[np.ndarray, "point 3"]
) -> Float[np.ndarray, "point"]:
    """Return the depths of points along the z axis of a camera in OpenCV axes, in the units of both."""
    with np.errstate(over="ignore", invalid="ignore"):  # points at infinity are dropped later
        return (points - c2w[:, 3]) @ c2w[:, 2]


def robust_bounds(
    source: Path, name: str, depths: Float[np.ndarray, "point"], percentiles: Percentiles
) -> tuple[float, float]:
    """Return the depths between which nearly all points of a view lie.

    Args:
        source: The file that the points come from, for the message.
        name: Of the view.
        depths: Of the points that the view sees; those behind the camera are ignored.
        percentiles: Which share of the points may be outside.

    Returns:
        Near and far bound.

    Raises:
        UserError: The view sees too few points.
    """
    in_front = depths[(depths > 0) & (depths < np.inf)]
    if len(in_front) < _FEWEST:
        raise UserError(
            f"{source}: expected at least {_FEWEST} points in front of each view, to take depth bounds from, "
            f"found {len(in_front)} for '{name}'. Remove that view, or estimate the poses again."
        )
    near, far = np.percentile(in_front, [percentiles.near, percentiles.far])
    return float(near), float(far)
