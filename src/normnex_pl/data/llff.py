"""Scenes in the LLFF format: photos, ``poses_bounds.npy`` and, in NeX's variant, ``hwf_cxcy.npy``.

A row of ``poses_bounds.npy`` belongs to a photo, in the order of the file names. LLFF's 17 numbers are a 3x5
matrix, row by row, and two depth bounds; the matrix has the columns down, right, backward, position and
(height, width, focal length). NeX's 14 numbers leave the last column out; ``hwf_cxcy.npy`` then gives
height, width, fx, fy, cx, cy for all photos, with the principal point as COLMAP has it (pixel centres at
integer + 0.5). Both belong to the photos that the poses were estimated from, often larger than those at hand.

Formats: https://github.com/Fyusion/LLFF and https://github.com/nex-mpi/nex-code, utils/load_llff.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from normnex_pl.data.images import find_folder, list_photos, load_photos
from normnex_pl.data.planes import PlaneOverrides
from normnex_pl.data.scene import Capture, build_scene
from normnex_pl.data.sidecars import read_planes, read_split
from normnex_pl.errors import UserError
from normnex_pl.types import PlaneSpacing, Scene

_POSES_FILE = "poses_bounds.npy"
_INTRINSICS_FILE = "hwf_cxcy.npy"
_LLFF_COLUMNS = 17
_NEX_COLUMNS = 14
_ASPECT_TOLERANCE = 0.01
_LARGEST = 1e9


@dataclass(frozen=True)
class _Poses:
    """What the pose files say, in the frame and units of the files.

    Attributes:
        c2w: Camera to world in OpenCV axes.
        intrinsics: height, width, fx, fy, cx, cy, for the photos that the poses were estimated from.
        bounds: Near and far depth.
    """

    c2w: Float[np.ndarray, "view 3 4"]
    intrinsics: Float[np.ndarray, "view 6"]
    bounds: Float[np.ndarray, "view 2"]


def read_llff(
    root: Path,
    width: int | None,
    holdout: int = 8,
    overrides: PlaneOverrides | None = None,
    default_spacing: PlaneSpacing = "depth",
) -> Scene:
    """Reads a scene in the LLFF format, with 3x5 or 3x4 pose matrices.

    Args:
        root: The scene's folder.
        width: Wanted width of the photos in pixels; None takes the widest folder as it is.
        holdout: Every ``holdout``-th photo is held out, beginning with the first, unless
            ``train_image.txt`` or ``val_image.txt`` say otherwise.
        overrides: Where the planes shall stand; stronger than ``planes.txt``.
        default_spacing: Of the planes, where neither of these says.

    Returns:
        The scene, in the frame of its reference camera.

    Raises:
        UserError: A file is missing, damaged or contradicts another; the message names it.
    """
    _check_folder(root)
    poses = _read_poses(root)
    files = list_photos(find_folder(root, width))
    if len(files) != len(poses.c2w):
        raise UserError(
            f"{root / _POSES_FILE}: expected a row for each of the {len(files)} photos in "
            f"{files[0].parent.name}/, found {len(poses.c2w)} rows. Remove the photos without a pose, or "
            "estimate the poses again."
        )
    names = tuple(path.stem for path in files)
    split = read_split(root, names, holdout)
    images = load_photos(files, width)
    height, loaded_width, _ = images[0].shape
    _check_aspect(root, poses.intrinsics, loaded_width, height)
    capture = Capture(
        root=root,
        source=root / _POSES_FILE,
        names=names,
        images=images,
        K=scaled_intrinsics(poses.intrinsics, loaded_width, height),
        c2w=poses.c2w,
        bounds=poses.bounds,
    )
    planes = (overrides or PlaneOverrides()).over(read_planes(root, loaded_width))
    return build_scene(capture, split, planes.over(PlaneOverrides(spacing=default_spacing)))


def opencv_from_llff(poses: Float[np.ndarray, "view 3 4"]) -> Float[np.ndarray, "view 3 4"]:
    """Turns columns (down, right, backward, position) into (right, down, forward, position)."""
    down, right, backward, position = np.moveaxis(poses, 2, 0)
    return np.stack([right, down, -backward, position], axis=2)


def scaled_intrinsics(
    intrinsics: Float[np.ndarray, "view 6"], width: int, height: int
) -> Float[np.ndarray, "view 3 3"]:
    """Builds K for photos of another size than the intrinsics belong to.

    With pixel centres at integer + 0.5, borders have whole coordinates, so everything scales in proportion.

    Args:
        intrinsics: height, width, fx, fy, cx, cy.
        width: Width of the loaded photos in pixels.
        height: Height of the loaded photos in pixels.

    Returns:
        Intrinsic matrices in pixels of the loaded photos.
    """
    stored_height, stored_width, fx, fy, cx, cy = intrinsics.T
    K = np.zeros((len(intrinsics), 3, 3))
    K[:, 0, 0] = fx * width / stored_width
    K[:, 1, 1] = fy * height / stored_height
    K[:, 0, 2] = cx * width / stored_width
    K[:, 1, 2] = cy * height / stored_height
    K[:, 2, 2] = 1
    return K


def _check_folder(root: Path) -> None:
    """Raises a UserError unless the scene's folder and its pose file exist."""
    if not root.exists():
        raise UserError(f"{root}: expected a folder with a scene, found nothing there. Check the path.")
    if not root.is_dir():
        raise UserError(
            f"{root}: expected a folder with a scene, found a file. Give the folder that holds it."
        )
    if not (root / _POSES_FILE).exists():
        raise UserError(
            f"{root / _POSES_FILE}: expected the camera poses in this file, found no such file. "
            "Check the path of the scene, or estimate poses from its photos first."
        )


def _read_poses(root: Path) -> _Poses:
    """Reads both variants of the format."""
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
        intrinsics = np.tile(_read_shared_intrinsics(root / _INTRINSICS_FILE), (len(rows), 1))
    else:
        intrinsics = _centred_intrinsics(matrices[:, :, 4])
    _check_intrinsics(root / (_INTRINSICS_FILE if has_intrinsics else _POSES_FILE), intrinsics)
    return _Poses(c2w=opencv_from_llff(matrices[:, :, :4]), intrinsics=intrinsics, bounds=rows[:, -2:])


def _read_shared_intrinsics(path: Path) -> Float[np.ndarray, "6"]:
    """Reads ``hwf_cxcy.npy``: six numbers, as a row or a column, or height, width and focal length alone."""
    values = _read_array(path)
    if values.size not in (3, 6) or max(values.shape) != values.size:
        raise UserError(
            f"{path}: expected the 6 numbers height, width, fx, fy, cx, cy, found {_shape_text(values)}. "
            "Write it again."
        )
    return values.ravel() if values.size == 6 else _centred_intrinsics(values.reshape(1, 3))[0]


def _centred_intrinsics(hwf: Float[np.ndarray, "view 3"]) -> Float[np.ndarray, "view 6"]:
    """Completes height, width and focal length by a principal point in the centre of the image."""
    height, width, focal = hwf.T
    return np.stack([height, width, focal, focal, width / 2, height / 2], axis=1)


def _check_intrinsics(path: Path, intrinsics: Float[np.ndarray, "view 6"]) -> None:
    """Raises a UserError unless sizes and focal lengths are positive and the centre lies in the image."""
    for row, (height, width, fx, fy, cx, cy) in enumerate(intrinsics):
        # Chained comparisons, since NaN fails them.
        plausible = all(1 <= size < _LARGEST for size in (height, width))
        plausible &= all(0 < focal < _LARGEST for focal in (fx, fy))
        if not (plausible and 0 < cx < width and 0 < cy < height):
            raise UserError(
                f"{path}, row {row}: expected a positive height, width and focal length in pixels, and a "
                f"principal point inside the image, found height {height:g}, width {width:g}, fx {fx:g}, "
                f"fy {fy:g}, cx {cx:g}, cy {cy:g}. Estimate the poses again."
            )


def _check_aspect(root: Path, intrinsics: Float[np.ndarray, "view 6"], width: int, height: int) -> None:
    """Raises a UserError if the photos can't be a scaled copy of those that the poses belong to.

    One percent is allowed, or one pixel where rounding the size of small copies is more than that.
    """
    for stored_height, stored_width in intrinsics[:, :2]:
        expected = width * stored_height / stored_width
        if not abs(height - expected) <= max(_ASPECT_TOLERANCE * expected, 1):
            raise UserError(
                f"{root / _POSES_FILE}: expected photos shaped like the {stored_width:g}x{stored_height:g} "
                f"pixels that the poses were estimated from, found {width}x{height}. If the photos were "
                "cropped or turned (also by EXIF) since, undo that; otherwise estimate the poses again."
            )


def _read_array(path: Path) -> Float[np.ndarray, "..."]:
    """Reads a plain array of numbers as float64; never unpickles."""
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
    """Says a shape as people write it."""
    return " x ".join(map(str, array.shape)) or "a single number"
