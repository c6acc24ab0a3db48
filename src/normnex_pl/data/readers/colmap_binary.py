"""COLMAP's binary files: little-endian numbers without any header, see `colmap_model`."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.lenses import CameraIntrinsics
from normnex_pl.data.readers.colmap_model import (
    CAMERA_KINDS,
    PosedImage,
    SparseModel,
    SparsePoints,
    lens_of,
    unknown_camera,
)

_KEYPOINT_BYTES = 24  # x, y, identifier of the point
_TRACK_DTYPE = np.dtype([("image", "<u4"), ("keypoint", "<u4")])


class _EndOfFile(Exception):
    """More was expected."""


class _Cursor:
    """Read a file's bytes from front to back."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    @property
    def remaining(self) -> int:
        """Bytes that are left."""
        return len(self.data) - self.place

    def skip(self, size: int) -> int:
        """Move on; return where it was."""
        if size > self.remaining:
            raise _EndOfFile
        start = self.place
        self.place += size
        return start

    def numbers(self, layout: str) -> tuple[Any, ...]:
        """Read numbers, in `struct`'s notation."""
        start = self.skip(struct.calcsize("<" + layout))
        return struct.unpack_from("<" + layout, self.data, start)

    def count(self) -> int:
        """Read how many of something follow."""
        (count,) = self.numbers("Q")
        return int(count)

    def text(self) -> str:
        """Read text up to a zero byte."""
        end = self.data.find(b"\0", self.place)
        if end < 0:
            raise _EndOfFile
        start = self.skip(end + 1 - self.place)
        return self.data[start:end].decode("utf-8")


def read_binary(folder: Path) -> SparseModel:
    """Read ``cameras.bin``, ``images.bin`` and ``points3D.bin``.

    Raises:
        UserError: One is truncated, goes on behind its end, or has a camera model that isn't supported.
    """
    return SparseModel(
        cameras=_read_cameras(folder / "cameras.bin"),
        images=_read_images(folder / "images.bin"),
        points=read_binary_points(folder / "points3D.bin"),
    )


def _read_cameras(path: Path) -> dict[int, CameraIntrinsics]:
    """Read number, model, size and parameters of each camera."""
    cameras = {}
    with _whole(path) as cursor:
        for _ in range(cursor.count()):
            identifier, kind_number, width, height = cursor.numbers("IiQQ")
            kind = CAMERA_KINDS.get(kind_number)
            if kind is None:
                raise unknown_camera(path, identifier, f"number {kind_number}")
            values = cursor.numbers(f"{len(kind.parameters)}d")
            cameras[identifier] = lens_of(kind, float(width), float(height), values)
    return cameras


def _read_images(path: Path) -> tuple[PosedImage, ...]:
    """Read poses and names; keypoints are left out."""
    images = []
    with _whole(path) as cursor:
        for _ in range(cursor.count()):
            identifier, w, x, y, z, tx, ty, tz, camera = cursor.numbers("I7dI")
            name = cursor.text()
            cursor.skip(cursor.count() * _KEYPOINT_BYTES)
            images.append(PosedImage(identifier, camera, name, (w, x, y, z), (tx, ty, tz)))
    return tuple(images)


def read_binary_points(path: Path) -> SparsePoints:
    """Read positions and tracks; colours and errors are left out."""
    xyz, tracks = [], []
    with _whole(path) as cursor:
        for _ in range(cursor.count()):
            _, x, y, z, *_ = cursor.numbers("Q3d3Bd")
            length = cursor.count()
            start = cursor.skip(length * _TRACK_DTYPE.itemsize)
            xyz.append((x, y, z))
            tracks.append(np.frombuffer(cursor.data, _TRACK_DTYPE, length, start)["image"].astype(np.int64))
    lengths = [len(track) for track in tracks]
    return SparsePoints(
        xyz=np.array(xyz, dtype=np.float64).reshape(-1, 3),
        observed=np.repeat(np.arange(len(tracks)), lengths),
        observer=np.concatenate([np.zeros(0, np.int64), *tracks]),
    )


@contextmanager
def _whole(path: Path) -> Iterator[_Cursor]:
    """Read a file to its very end, or say what is wrong with it."""
    try:
        cursor = _Cursor(path.read_bytes())
        yield cursor
        problem = f"{cursor.remaining} bytes behind it" if cursor.remaining else None
    except _EndOfFile:
        problem = f"the end of the file after {cursor.place} bytes"
    except (OSError, UnicodeDecodeError) as error:
        problem = f"something else ({error})"
    if problem:
        raise UserError(
            f"{path}: expected a complete file of a COLMAP model, found {problem}. Copy it again, or export "
            "the model again."
        )
