"""The step from the units of a scene's files to those of its world."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from normnex_pl.data.photos.intrinsics import in_picture
from normnex_pl.data.photos.posed import PosedPhotos
from normnex_pl.data.poses import nearest_rotations

_NEAR_FRACTION = 0.75
# More of them change no percentile that matters here.
_MOST_POINTS = 200_000


def scene_unit(bounds: Float[np.ndarray, "view 2"]) -> float:
    """Return the length in the files' own units that becomes 1: 0.75 x the smallest near bound."""
    return _NEAR_FRACTION * float(bounds[:, 0].min())


def normalise(posed: PosedPhotos, unit: float) -> PosedPhotos:
    """Scale the world, which is moved later and never bent, and make rotations exact.

    Args:
        posed: In the units of its files.
        unit: Length there that becomes 1.
    """
    rotations, positions = nearest_rotations(posed.c2w[:, :, :3]), posed.c2w[:, :, 3:] / unit
    return replace(
        posed,
        c2w=np.concatenate([rotations, positions], axis=2),
        bounds=posed.bounds / unit,
        points=None if posed.points is None else posed.points / unit,
    )


def keep_seen_points(posed: PosedPhotos, views: tuple[int, ...]) -> PosedPhotos:
    """Drop the points that are in the picture of none of some views, and some of very many others.

    Args:
        posed: With photos of one size.
        views: Indices of the training views.
    """
    if posed.points is None:
        return posed
    points = posed.points[:: 1 + len(posed.points) // _MOST_POINTS]
    seen = np.zeros(len(points), dtype=bool)
    for view in views:
        seen |= in_picture(points, posed.c2w[view], posed.intrinsics[view])
    return replace(posed, points=points[seen])
