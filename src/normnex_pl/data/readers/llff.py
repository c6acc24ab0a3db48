"""Scenes in the LLFF format: photos, ``poses_bounds.npy`` and, in NeX's variant, ``hwf_cxcy.npy``.

A row of ``poses_bounds.npy`` belongs to a photo, in the order of the file names. LLFF's 17 numbers are a 3x5
matrix, row by row, and two depth bounds; the matrix has the columns down, right, backward, position and
(height, width, focal length). NeX's 14 numbers leave the last column out; ``hwf_cxcy.npy`` then gives
height, width, fx, fy, cx, cy for all photos, with the principal point as COLMAP has it (pixel centres at
integer + 0.5). Both belong to the photos that the poses were estimated from, often larger than those at hand.

Formats: https://github.com/Fyusion/LLFF and https://github.com/nex-mpi/nex-code, utils/load_llff.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.folders import find_folder, list_photos, photos_below
from normnex_pl.data.photos.intrinsics import CameraIntrinsics, check_intrinsics
from normnex_pl.data.photos.posed import PosedPhotos
from normnex_pl.data.readers.base import SceneReader
from normnex_pl.data.readers.points import points_beside, points_files

_POSES_FILE = "poses_bounds.npy"
_INTRINSICS_FILE = "hwf_cxcy.npy"
_LLFF_COLUMNS = 17
_NEX_COLUMNS = 14


@dataclass(frozen=True)
class _Poses:
    """Content of the pose files, in their own frame and units.

    Attributes:
        c2w: Camera to world in OpenCV axes.
        intrinsics: For the photos that the poses were estimated from.
        bounds: Near and far depth.
    """

    c2w: Float[np.ndarray, "view 3 4"]
    intrinsics: tuple[CameraIntrinsics, ...]
    bounds: Float[np.ndarray, "view 2"]


class LLFFReader(SceneReader):
    """Read ``poses_bounds.npy``, with 3x5 or (beside ``hwf_cxcy.npy``) 3x4 pose matrices."""

    @property
    @override
    def looks_for(self) -> str:
        return f"{_POSES_FILE} (LLFF)"

    @override
    def recognises(self, root: Path) -> bool:
        return (root / _POSES_FILE).exists()

    @override
    def files(self, root: Path) -> Iterable[Path]:
        poses = [root / _POSES_FILE, root / _INTRINSICS_FILE]
        yield from (path for path in (*poses, *points_files(root)) if path.is_file())
        yield from photos_below(root)

    @override
    def read(self, root: Path, width: int | None) -> PosedPhotos:
        poses = _read_poses(root)
        files = list_photos(find_folder(root, width))
        if len(files) != len(poses.c2w):
            raise UserError(
                f"{root / _POSES_FILE}: expected a row for each of the {len(files)} photos in "
                f"{files[0].parent.name}/, found {len(poses.c2w)} rows. Remove the photos without a pose, or "
                "estimate the poses again."
            )
        return PosedPhotos(
            kind="LLFF",
            root=root,
            source=root / _POSES_FILE,
            files=files,
            intrinsics=poses.intrinsics,
            c2w=poses.c2w,
            bounds=poses.bounds,
            points=points_beside(root, poses.c2w, poses.intrinsics, poses.bounds),
            planes_unit="world",
        )


def opencv_from_llff(poses: Float[np.ndarray, "view 3 4"]) -> Float[np.ndarray, "view 3 4"]:
    """Turn columns (down, right, backward, position) into (right, down, forward, position)."""
    down, right, backward, position = np.moveaxis(poses, 2, 0)
    return np.stack([right, down, -backward, position], axis=2)


def _read_poses(root: Path) -> _Poses:
    """Read both variants of the format."""
    if not (root / _POSES_FILE).exists():
        raise UserError(
            f"{root / _POSES_FILE}: expected the camera poses in this file, found no such file. "
            "Check the path of the scene, or estimate poses from its photos first."
        )
    rows = _read_array(root / _POSES_FILE)
    has_intrinsics = (root / _INTRINSICS_FILE).exists()
    columns = _NEX_COLUMNS if has_intrinsics else _LLFF_COLUMNS
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise UserError(
            f"{root / _POSES_FILE}: expected N x {_NEX_COLUMNS} numbers beside {_INTRINSICS_FILE}, or "
            f"N x {_LLFF_COLUMNS} without that file, found {_shape_text(rows)} and "
            f"{'that' if has_intrinsics else 'no such'} file. Take both from the same source."
        )
    matrices = rows[:, :-2].reshape(len(rows), 3, columns // 3)
    if has_intrinsics:
        numbers = np.tile(_read_shared_intrinsics(root / _INTRINSICS_FILE), (len(rows), 1))
    else:
        numbers = _centred_intrinsics(matrices[:, :, 4])
    intrinsics = tuple(CameraIntrinsics(width, height, *rest) for height, width, *rest in numbers.tolist())
    source = root / (_INTRINSICS_FILE if has_intrinsics else _POSES_FILE)
    for row, camera in enumerate(intrinsics):
        check_intrinsics(f"{source}, row {row}", camera)
    return _Poses(opencv_from_llff(matrices[:, :, :4]), intrinsics, bounds=rows[:, -2:])


def _read_shared_intrinsics(path: Path) -> Float[np.ndarray, "6"]:
    """Read ``hwf_cxcy.npy``: six numbers, as a row or a column, or height, width and focal length alone."""
    values = _read_array(path)
    if values.size not in (3, 6) or max(values.shape) != values.size:
        raise UserError(
            f"{path}: expected the 6 numbers height, width, fx, fy, cx, cy, found {_shape_text(values)}. "
            "Write it again."
        )
    return values.ravel() if values.size == 6 else _centred_intrinsics(values.reshape(1, 3))[0]


def _centred_intrinsics(hwf: Float[np.ndarray, "view 3"]) -> Float[np.ndarray, "view 6"]:
    """Complete height, width and focal length by a principal point in the centre of the image."""
    height, width, focal = hwf.T
    return np.stack([height, width, focal, focal, width / 2, height / 2], axis=1)


def _read_array(path: Path) -> Float[np.ndarray, "..."]:
    """Read a plain array of numbers as float64; never unpickles."""
    try:
        with path.open("rb") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    # Damaged headers make numpy raise ValueError, EOFError, SyntaxError, MemoryError, UnicodeError and more.
    except Exception as error:
        raise UserError(
            f"{path}: expected a NumPy array of numbers, found an empty, damaged, pickled or other file "
            f"({error}). Copy it again, or estimate the poses again."
        ) from error
    if array.dtype.kind not in "iuf":
        found = f"the type {array.dtype}"
        raise UserError(
            f"{path}: expected a NumPy array of numbers, found {found}. Write it again as float64."
        )
    with np.errstate(over="ignore"):  # infinity is dealt with where the numbers are looked at
        return array.astype(np.float64)


def _shape_text(array: Float[np.ndarray, "..."]) -> str:
    """Return a shape as people write it."""
    return " x ".join(map(str, array.shape)) or "a single number"
