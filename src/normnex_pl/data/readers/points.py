"""Points of the sparse reconstruction from which a scene's poses were derived, as in most LLFF scenes."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from jaxtyping import Float

from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.intrinsics import CameraIntrinsics, in_picture
from normnex_pl.data.readers.bounds import depths_from
from normnex_pl.data.readers.colmap_binary import read_binary_points
from normnex_pl.data.readers.colmap_model import ModelFiles
from normnex_pl.data.readers.colmap_places import possible_places
from normnex_pl.data.readers.colmap_text import read_text_points

logger = logging.getLogger(__name__)

_READERS = {".bin": read_binary_points, ".txt": read_text_points}
# A point agrees with a view if it lies between the view's bounds, give or take this factor. LLFF takes the
# bounds from these points, so that nearly all agree with a view or more: in another frame, few do.
_TOLERANCE = 1.25
_SMALLEST_AGREEMENT = 0.9


def points_files(root: Path) -> list[Path]:
    """List the files with the points of a scene's COLMAP models, in the order of precedence."""
    places = [place for group in possible_places(root) for place in group]
    files = (ModelFiles.of(place.folder, ending).points for place in places for ending in _READERS)
    return [path for path in files if path.is_file()]


def points_beside(
    root: Path,
    c2w: Float[np.ndarray, "view 3 4"],
    intrinsics: tuple[CameraIntrinsics, ...],
    bounds: Float[np.ndarray, "view 2"],
) -> Float[np.ndarray, "point 3"] | None:
    """Read the points of a COLMAP model in a scene whose poses come from other files.

    The scene can do without them: what is damaged, or in another frame than the poses, is left out with a
    warning. Of several models, each with a frame of its own, the first that agrees with the poses is taken.

    Args:
        root: The scene's folder.
        c2w: Camera to world.
        intrinsics: Of the views' cameras.
        bounds: Near and far depth of each view.

    Returns:
        Positions; None without usable points.
    """
    problems = []
    for path in points_files(root):
        try:
            points = _READERS[path.suffix](path).xyz
        except UserError as error:
            problems.append(str(error))
            continue
        agreeing = _agreement(points, c2w, intrinsics, bounds)
        if agreeing >= _SMALLEST_AGREEMENT:
            for problem in problems:
                logger.info("points of %s are used instead: %s", path, problem)
            return points
        problems.append(
            f"{path}: only {agreeing:.0%} of them lie where the poses and depth bounds of the views say; "
            "they seem to be of another reconstruction"
        )
    for problem in problems:
        logger.warning("points are not used: %s", problem)
    return None


def _agreement(
    points: Float[np.ndarray, "point 3"],
    c2w: Float[np.ndarray, "view 3 4"],
    intrinsics: tuple[CameraIntrinsics, ...],
    bounds: Float[np.ndarray, "view 2"],
) -> float:
    """Return the share of the points in the picture and between the bounds of some view; 0 without points."""
    agreeing = np.zeros(len(points), dtype=bool)
    for pose, camera, (near, far) in zip(c2w, intrinsics, bounds, strict=True):
        depths = depths_from(pose, points)
        between = (depths > near / _TOLERANCE) & (depths < far * _TOLERANCE)
        agreeing |= between & in_picture(points, pose, camera)
    return float(agreeing.mean()) if len(points) else 0.0
