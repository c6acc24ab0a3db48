"""Scenes in nerfstudio's format: ``transforms.json`` with a pose, and perhaps intrinsics, for each photo.

``transform_matrix`` is camera to world with OpenGL axes (right, up, backward). ``fl_x``, ``fl_y``, ``cx``,
``cy``, ``w``, ``h`` and the distortion ``k1``, ``k2``, ``k3``, ``p1``, ``p2`` stand in a frame or, for all
of them, at the top; ``camera_angle_x`` in radians replaces the focal length. Pixel centres at integer + 0.5.

``mask_path`` in a frame names a PNG file, below the scene's folder, whose black pixels are ignored.

Format: https://docs.nerf.studio/quickstart/data_conventions.html. Depth bounds come from the points of
``ply_file_path``, which are in the same world, or else from ``planes.txt``, in the units of the file.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.folders import is_hidden, photos_below
from normnex_pl.data.photos.intrinsics import CameraIntrinsics, in_picture
from normnex_pl.data.photos.posed import PosedPhotos, Split
from normnex_pl.data.planes.percentiles import Percentiles
from normnex_pl.data.readers.base import SceneReader
from normnex_pl.data.readers.bounds import FixedBounds, depths_from, robust_bounds
from normnex_pl.data.readers.json_files import read_json, read_list, refuse
from normnex_pl.data.readers.named_photos import check_listed_once, existing_photo, find_photos, is_file
from normnex_pl.data.readers.nerfstudio_frames import (
    Frame,
    read_frames,
    read_intrinsics,
    read_mask_path,
    read_pose,
)
from normnex_pl.data.readers.nerfstudio_keys import warn_of_unread
from normnex_pl.data.readers.ply import read_ply_points

logger = logging.getLogger(__name__)

_FILE = "transforms.json"
_PHOTOS = "images/"
_POINTS_ENDING = ".ply"


class NerfstudioReader(SceneReader):
    """Read ``transforms.json``; photos are undistorted where there are distortion coefficients.

    Args:
        percentiles: Of the depths of the points in a view's picture, between which its bounds lie.
        bounds: Depths of the nearest and the farthest content in the units of the file, for scenes without
            points; takes precedence over points and ``planes.txt``.
    """

    def __init__(
        self,
        percentiles: Percentiles = Percentiles(),  # noqa: B008 (frozen)
        bounds: FixedBounds | None = None,
    ) -> None:
        self.percentiles = percentiles
        self.bounds = bounds

    @property
    @override
    def looks_for(self) -> str:
        return f"{_FILE} (nerfstudio)"

    @override
    def recognises(self, root: Path) -> bool:
        return (root / _FILE).exists()

    @override
    def files(self, root: Path) -> Iterable[Path]:
        # Points have no fixed place.
        others = [root / _FILE, *root.rglob(f"*{_POINTS_ENDING}")]
        yield from (path for path in others if path.is_file() and not is_hidden(path.relative_to(root)))
        yield from photos_below(root)

    @override
    def read(self, root: Path, width: int | None) -> PosedPhotos:
        content = _read_content(root / _FILE)
        frames = read_frames(root / _FILE, content)
        warn_of_unread(root / _FILE, content)
        found = _find_files(root, frames, width)
        check_listed_once(root / _FILE, [frame.path for frame in frames], found)
        order = sorted(range(len(found)), key=found.__getitem__)
        frames, files = [frames[i] for i in order], tuple(found[i] for i in order)
        intrinsics = tuple(
            read_intrinsics(frame, root, file) for frame, file in zip(frames, files, strict=True)
        )
        c2w = np.stack([read_pose(frame) for frame in frames])
        named = content.get("ply_file_path")
        ply = root / str(named)
        points = _read_points(ply) if named else None
        names = [frame.path for frame in frames]
        if self.bounds is not None:
            bounds = self.bounds.of_views(len(frames))
        elif points is not None:
            bounds = self._seen_bounds(ply, points, names, intrinsics, c2w)
        else:
            bounds = _bounds_of_planes(root).of_views(len(frames))
        return PosedPhotos(
            kind="nerfstudio",
            root=root,
            source=root / _FILE,
            files=files,
            intrinsics=intrinsics,
            c2w=c2w,
            bounds=bounds,
            split=_stored_split(root / _FILE, content, names),
            points=points,
            named_masks=tuple(read_mask_path(frame, root) for frame in frames),
        )

    def _seen_bounds(
        self,
        ply: Path,
        points: Float[np.ndarray, "point 3"],
        names: list[str],
        intrinsics: tuple[CameraIntrinsics, ...],
        c2w: Float[np.ndarray, "view 3 4"],
    ) -> Float[np.ndarray, "view 2"]:
        """Return robust depths of the points in each view's picture."""
        bounds = []
        for name, camera, pose in zip(names, intrinsics, c2w, strict=True):
            depths = depths_from(pose, points[in_picture(points, pose, camera)])
            bounds.append(robust_bounds(ply, name, depths, self.percentiles))
        return np.array(bounds)


def _bounds_of_planes(root: Path) -> FixedBounds:
    """Return the depths of the planes in ``planes.txt``.

    Raises:
        UserError: There is no such file.
    """
    bounds = FixedBounds.of_planes_file(root)
    if bounds is None:
        raise UserError(
            f"{root / _FILE}: expected depth bounds from the points in the file of 'ply_file_path' or "
            "from planes.txt, found no such files. Write 'near far' in units of the file to planes.txt, "
            "or give --data.reader=NerfstudioReader --data.reader.bounds='{near: 1, far: 10}'."
        )
    return bounds


def _read_points(path: Path) -> Float[np.ndarray, "point 3"] | None:
    """Read the points that the file names; None, with a warning, if there is no such file."""
    if is_file(path):
        return read_ply_points(path)
    logger.warning("%s: expected the points that %s names, found no such file", path, _FILE)
    return None


def _read_content(path: Path) -> Mapping[str, Any]:
    """Return the object at the top of the file."""
    content = read_json(path)
    if not isinstance(content, dict):
        refuse(str(path), "an object with 'frames'", type(content).__name__)
    return content


def _find_files(root: Path, frames: list[Frame], width: int | None) -> list[Path]:
    """Return the photos; those below ``images/`` may be replaced by smaller copies in ``images_<n>/``."""
    paths = [frame.path.replace("\\", "/").removeprefix("./") for frame in frames]
    if all(path.startswith(_PHOTOS) for path in paths):
        return list(find_photos(root, [path.removeprefix(_PHOTOS) for path in paths], width))
    return [existing_photo(root, path, frame.where) for path, frame in zip(paths, frames, strict=True)]


def _stored_split(path: Path, content: Mapping[str, Any], names: list[str]) -> Split | None:
    """Return the split that the file lists, without views that no list has; None without lists.

    Held out are ``test_filenames`` or else ``val_filenames``. With one of the lists for training and testing
    missing, all views that no list has are in the missing one.
    """
    index = {_normalised(name): position for position, name in enumerate(names)}
    lists: dict[str, set[int]] = {}
    for key in ("train", "val", "test"):
        stored = content.get(f"{key}_filenames")
        if not stored:
            continue
        where = f"{path}, '{key}_filenames'"
        listed = {_normalised(name): name for name in read_list(where, stored, str, "names")}
        for name in listed.keys() - index.keys():
            refuse(where, "names of frames", f"'{listed[name][:80]}'")
        lists[key] = {index[name] for name in listed}
    if not lists:
        return None
    others = set(range(len(names))) - set().union(*lists.values())
    train, test = lists.get("train", others), lists.get("test", lists.get("val", others))
    if both := train & test:
        refuse(str(path), "photos for training or testing", f"'{names[min(both)]}' listed for both")
    return Split(train=tuple(sorted(train)), test=tuple(sorted(test)))


def _normalised(path: str) -> str:
    """Return one spelling for equivalent paths."""
    return Path(path.replace("\\", "/")).as_posix()
