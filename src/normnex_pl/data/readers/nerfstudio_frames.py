"""The entries of photos in nerfstudio's ``transforms.json``: poses and intrinsics, see `nerfstudio`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from normnex_pl.data.photos.header import read_size
from normnex_pl.data.photos.intrinsics import CameraIntrinsics, check_intrinsics
from normnex_pl.data.poses import check_pose
from normnex_pl.data.readers.json_files import read_list, read_number, read_numbers, read_word, refuse
from normnex_pl.data.readers.named_photos import is_file, locate_photo
from normnex_pl.data.readers.nerfstudio_keys import check_lens

_DISTORTION = ("k1", "k2", "p1", "p2", "k3")
_OPENCV_FROM_OPENGL = (1.0, -1.0, -1.0, 1.0)  # of the columns right, up, backward and position
_AFFINE_ROW = (0.0, 0.0, 0.0, 1.0)
# Products of matrices in single precision are off by a few of its steps, 1e-7.
_ROW_TOLERANCE = 1e-5
_MASK = "mask_path"


@dataclass(frozen=True)
class Frame:
    """A photo's entry.

    Attributes:
        where: File and place in it, for messages.
        fields: The frame's keys over those at the top.
        path: Of the photo, as the file has it.
    """

    where: str
    fields: Mapping[str, Any]
    path: str


def read_frames(path: Path, content: Mapping[str, Any]) -> list[Frame]:
    """Return the entries of all photos.

    Args:
        path: The file, for messages.
        content: The object at its top.

    Raises:
        UserError: There are none, or one has no path.
    """
    frames = []
    shared = {key: value for key, value in content.items() if key != "frames"}
    for index, frame in enumerate(read_list(f"{path}, 'frames'", content.get("frames"), dict, "frames")):
        where = f"{path}, frame {index}"
        frames.append(Frame(where, shared | frame, read_word(where, frame, "file_path")))
    return frames


def read_intrinsics(frame: Frame, root: Path, file: Path) -> CameraIntrinsics:
    """Return the intrinsics of a frame; what the file leaves out is taken from the photo.

    Args:
        frame: The photo's entry.
        root: The scene's folder.
        file: The photo at hand, perhaps a smaller copy of the one that the frame names.

    Raises:
        UserError: The camera model isn't supported, or a number is missing or impossible.
    """
    check_lens(frame.where, frame.fields)
    # Sizes that aren't given are those of the photo that the frame names, not of a smaller copy.
    width, height = _stored_size(frame, locate_photo(root / frame.path) or file)
    fx = _focal_length(frame, "x", width)
    intrinsics = CameraIntrinsics(
        width=width,
        height=height,
        fx=fx,
        fy=_focal_length(frame, "y", height) if {"fl_y", "camera_angle_y"} & set(frame.fields) else fx,
        cx=_optional(frame, "cx", width / 2),
        cy=_optional(frame, "cy", height / 2),
        distortion=tuple(_optional(frame, key, 0.0) for key in _DISTORTION),
    )
    check_intrinsics(frame.where, intrinsics)
    return intrinsics


def _stored_size(frame: Frame, file: Path) -> tuple[float, float]:
    """Return the width and height that the intrinsics belong to."""
    if "w" in frame.fields or "h" in frame.fields:
        return read_number(frame.where, frame.fields, "w"), read_number(frame.where, frame.fields, "h")
    width, height = read_size(file, "stored")
    return float(width), float(height)


def _focal_length(frame: Frame, axis: str, size: float) -> float:
    """Return the focal length in pixels, computed from the field of view where it isn't given."""
    if f"fl_{axis}" in frame.fields or f"camera_angle_{axis}" not in frame.fields:
        return read_number(frame.where, frame.fields, f"fl_{axis}")
    angle = read_number(frame.where, frame.fields, f"camera_angle_{axis}")
    if not 0 < angle < math.pi:
        refuse(frame.where, f"0 < 'camera_angle_{axis}' < pi", f"{angle:g}")
    return size / 2 / math.tan(angle / 2)


def _optional(frame: Frame, key: str, default: float) -> float:
    """Return an optional number."""
    return read_number(frame.where, frame.fields, key) if key in frame.fields else default


def read_mask_path(frame: Frame, root: Path) -> Path | None:
    """Return the file of the mask of a frame's photo; None if it names none.

    Raises:
        UserError: There is no such file.
    """
    if not frame.fields.get(_MASK):
        return None
    path = root / read_word(frame.where, frame.fields, _MASK).replace("\\", "/")
    if not is_file(path):
        refuse(frame.where, f"a mask in the file of '{_MASK}'", f"no file {path}")
    return path


def read_pose(frame: Frame) -> Float[np.ndarray, "3 4"]:
    """Return the pose of a frame as camera to world in OpenCV axes.

    Raises:
        UserError: There is no pose, or none that a camera can have.
    """
    key = "transform_matrix"
    rows = len(frame.fields[key]) if isinstance(frame.fields.get(key), list) else 4
    matrix = read_numbers(frame.where, frame.fields, key, (3 if rows == 3 else 4, 4))
    # Written so that NaN fails.
    if rows == 4 and not np.abs(matrix[3] - _AFFINE_ROW).max() <= _ROW_TOLERANCE:
        refuse(frame.where, f"'{key}' that ends with 0, 0, 0, 1", ", ".join(f"{v:.9g}" for v in matrix[3]))
    c2w = matrix[:3] * _OPENCV_FROM_OPENGL
    check_pose(frame.where, c2w)
    return c2w
