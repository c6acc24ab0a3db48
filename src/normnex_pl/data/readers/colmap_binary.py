"""COLMAP's binary files: little-endian numbers without any header, see `colmap_model`."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.intrinsics import CameraIntrinsics
from normnex_pl.data.readers.colmap_model import (
    CAMERA_MODELS,
    ModelFiles,
    PosedImage,
    SparsePoints,
    SparseReconstruction,
    add_camera,
    camera_intrinsics,
    camera_parameters,
)

# By their numbers; 5 is a fisheye camera.
_MODEL_NAMES = dict(zip((0, 1, 2, 3, 4, 6), CAMERA_MODELS, strict=True))
_KEYPOINT_BYTES = 24  # x, y, identifier of the point
_TRACK_DTYPE = np.dtype([("image", "<u4"), ("keypoint", "<u4")])


class _Cursor:
    """Read a file's bytes from front to back; EOFError says that more was expected."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    def take(self, size: int) -> bytes:
        """Read bytes."""
        if size > len(self.data) - self.place:
            raise EOFError
        self.place += size
        return self.data[self.place - size : self.place]

    def numbers(self, layout: str) -> tuple[Any, ...]:
        """Read numbers, in `struct`'s notation."""
        return struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout)))

    def count(self) -> int:
        """Read how many of something follow."""
        return int(self.numbers("Q")[0])

    def text(self) -> str:
        """Read text up to a zero byte."""
        end = self.data.find(b"\0", self.place)
        if end < 0:
            raise EOFError
        return self.take(end + 1 - self.place)[:-1].decode("utf-8")


def read_binary(files: ModelFiles) -> SparseReconstruction:
    """Read ``cameras.bin``, ``images.bin`` and ``points3D.bin``.

    Raises:
        UserError: One is truncated, longer than its content, or has a camera model that isn't supported.
    """
    return SparseReconstruction(
        _read_cameras(files.cameras), read_binary_images(files.images), read_binary_points(files.points)
    )


def _read_cameras(path: Path) -> dict[int, CameraIntrinsics]:
    """Read number, model, size and parameters of each camera."""
    cameras = dict[int, CameraIntrinsics]()
    with _whole(path) as cursor:
        for _ in range(cursor.count()):
            identifier, number, width, height = cursor.numbers("IiQQ")
            model = _MODEL_NAMES.get(number, f"number {number}")
            parameters = camera_parameters(path, identifier, model)
            values = cursor.numbers(f"{len(parameters)}d")
            intrinsics = camera_intrinsics(parameters, float(width), float(height), values)
            add_camera(path, cameras, identifier, intrinsics)
    return cameras


def read_binary_images(path: Path) -> tuple[PosedImage, ...]:
    """Read poses and names; keypoints are left out."""
    images = []
    with _whole(path) as cursor:
        for _ in range(cursor.count()):
            identifier, w, x, y, z, tx, ty, tz, camera = cursor.numbers("I7dI")
            name = cursor.text()
            cursor.take(cursor.count() * _KEYPOINT_BYTES)
            images.append(PosedImage(identifier, camera, name, (w, x, y, z), (tx, ty, tz)))
    return tuple(images)


def read_binary_points(path: Path) -> SparsePoints:
    """Read positions and tracks; colours and errors are left out."""
    xyz, tracks = [], []
    with _whole(path) as cursor:
        for _ in range(cursor.count()):
            _, x, y, z, *_, length = cursor.numbers("Q3d3BdQ")
            track = np.frombuffer(cursor.take(length * _TRACK_DTYPE.itemsize), _TRACK_DTYPE)
            xyz.append((x, y, z))
            tracks.append(track["image"].astype(np.int64))
    return SparsePoints(
        xyz=np.array(xyz, dtype=np.float64).reshape(-1, 3),
        observed=np.repeat(np.arange(len(tracks)), [len(track) for track in tracks]),
        observer=np.concatenate([np.zeros(0, np.int64), *tracks]),
    )


@contextmanager
def _whole(path: Path) -> Iterator[_Cursor]:
    """Read a file to its very end.

    Raises:
        UserError: It is truncated, longer than its content, or something else.
    """
    try:
        cursor = _Cursor(path.read_bytes())
        yield cursor
        remaining = len(cursor.data) - cursor.place
        problem = f"{remaining} bytes after its end" if remaining else None
    except EOFError:
        problem = f"the end of the file after {cursor.place} bytes"
    except (OSError, UnicodeDecodeError) as error:
        problem = f"something else ({error})"
    if problem:
        raise UserError(
            f"{path}: expected a complete file of a COLMAP model, found {problem}. Copy it again, or export "
            "the model again."
        )
