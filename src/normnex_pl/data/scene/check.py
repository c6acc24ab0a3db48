"""The checks of what a reader found, before anything is computed with it."""

from __future__ import annotations

from collections import Counter

import numpy as np
from jaxtyping import Float

from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.intrinsics import CameraIntrinsics
from normnex_pl.data.photos.posed import PosedPhotos
from normnex_pl.data.poses import number_problem, rotation_problem

# Below it, numbers are garbage for lengths and depths.
_SMALLEST = 1e-12


def check_posed(posed: PosedPhotos) -> None:
    """Raise a UserError unless views, cameras and bounds are as a scene needs them.

    Args:
        posed: As a reader returns it, with names.

    Raises:
        UserError: There are less than two views, counts differ, names repeat, numbers aren't finite,
            rotations are none, or bounds are out of order.
    """
    _check_views(posed)
    cameras = zip(posed.names, posed.intrinsics, posed.c2w, posed.bounds, strict=True)
    for name, intrinsics, c2w, bounds in cameras:
        problem = _camera_problem(intrinsics, c2w, bounds)
        if problem:
            raise UserError(f"{posed.source}, view '{name}': {problem}. Estimate the poses again.")


def _check_views(posed: PosedPhotos) -> None:
    """Raise a UserError unless the views are enough, have a pose each and differ in their names."""
    count = len(posed.files)
    if count != len(posed.c2w):
        raise UserError(
            f"{posed.source}: expected a pose for each of the {count} photos, found {len(posed.c2w)} poses. "
            "Remove the photos without a pose, or estimate the poses again."
        )
    if count < 2:
        raise UserError(f"{posed.root}: expected at least 2 views, found {count}. Add photos of the scene.")
    name, repeats = Counter(posed.names).most_common(1)[0]
    if repeats > 1:
        raise UserError(
            f"{posed.root}: expected names that are unique without their endings, found {repeats} photos "
            f"called '{name}'. Rename or remove all but one."
        )


def _camera_problem(
    intrinsics: CameraIntrinsics, c2w: Float[np.ndarray, "3 4"], bounds: Float[np.ndarray, "2"]
) -> str | None:
    """Describe the expected and the actual values of an invalid camera; return None for a valid one."""
    if problem := number_problem(np.concatenate([intrinsics.matrix.ravel(), c2w.ravel(), bounds])):
        return problem
    focal = min(intrinsics.fx, intrinsics.fy)
    if focal < _SMALLEST:
        return f"expected a positive focal length, found {focal:g} pixels"
    if problem := rotation_problem(c2w[:, :3]):
        return problem
    near, far = bounds
    if not _SMALLEST < near < far:
        return f"expected depth bounds 0 < near < far, found near {near:g} and far {far:g}"
    return None
