"""COLMAP's text files: words in lines, see `colmap_model`."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.intrinsics import CameraIntrinsics
from normnex_pl.data.readers.colmap_model import (
    ModelFiles,
    PosedImage,
    SparsePoints,
    SparseReconstruction,
    add_camera,
    camera_intrinsics,
    camera_parameters,
)
from normnex_pl.data.text_files import decode_text

_IMAGE_WORDS = 10  # number, quaternion, translation, camera, name
_POINT_WORDS = 8  # number, position, colour, error; then the track
_KEYPOINT_WORDS = 3  # x, y, number of the point or -1
# COLMAP writes it into a comment at the top of each file.
_COUNT = re.compile(rb"^#\s*Number of (?:cameras|images|points):\s*(\d{1,12})\b", re.MULTILINE)
_COMMENT_BYTES = 2000

logger = logging.getLogger(__name__)


def read_text(files: ModelFiles) -> SparseReconstruction:
    """Read ``cameras.txt``, ``images.txt`` and ``points3D.txt``.

    Raises:
        UserError: A line isn't of the form that the file should have, or has an unsupported camera model.
    """
    return SparseReconstruction(
        _read_cameras(files.cameras), read_text_images(files.images), read_text_points(files.points)
    )


def _read_cameras(path: Path) -> dict[int, CameraIntrinsics]:
    """Read ``number model width height parameters...``, a camera a line."""
    cameras = dict[int, CameraIntrinsics]()
    for number, line in _content(path):
        with _parsing(path, number, line, "'number model width height parameters...'"):
            words = line.split()
            identifier, model, (width, height, *values) = int(words[0]), words[1], map(float, words[2:])
            parameters = camera_parameters(path, identifier, model)
            add_camera(path, cameras, identifier, camera_intrinsics(parameters, width, height, values))
    _compare_count(path, len(cameras))
    return cameras


def read_text_images(path: Path) -> tuple[PosedImage, ...]:
    """Read two lines for each image: the pose, and the keypoints, of which there may be none.

    Raises:
        UserError: A line isn't of this form, such as a pose where the keypoints of another image belong.
    """
    images = []
    lines = _lines(path)
    for number, line in lines:
        if _is_empty(line):
            continue
        with _parsing(path, number, line, "'number qw qx qy qz tx ty tz camera name'"):
            identifier, *words, name = line.strip().split(maxsplit=_IMAGE_WORDS - 1)
            w, x, y, z, tx, ty, tz = map(float, words[:7])
            images.append(PosedImage(int(identifier), int(words[7]), name, (w, x, y, z), (tx, ty, tz)))
        _check_keypoints(path, name, *next(lines, (number + 1, "")))
    _compare_count(path, len(images))
    return tuple(images)


def _check_keypoints(path: Path, name: str, number: int, line: str) -> None:
    """Raise a UserError unless a line holds keypoints or nothing: it may hold the next image's pose."""
    expected = f"the keypoints of '{name}', 'x y point' for each of them, or an empty line if there are none"
    with _parsing(path, number, line, expected):
        words = line.split()
        if len(words) % _KEYPOINT_WORDS:
            raise ValueError(f"{len(words)} words")
        for word in words:
            float(word)
        for word in words[_KEYPOINT_WORDS - 1 :: _KEYPOINT_WORDS]:
            int(word)


def read_text_points(path: Path) -> SparsePoints:
    """Read ``number x y z red green blue error (image keypoint)...``, a point a line."""
    xyz: list[tuple[float, float, float]] = []
    observed, observer = list[int](), list[int]()
    for number, line in _content(path):
        with _parsing(path, number, line, "'number x y z red green blue error (image keypoint)...'"):
            words = line.split()
            x, y, z = map(float, words[1:4])
            track = list(map(int, words[_POINT_WORDS:]))
            if len(words) < _POINT_WORDS or len(track) % 2:
                raise ValueError(f"{len(words)} words")
            observed += [len(xyz)] * (len(track) // 2)
            observer += track[::2]
            xyz.append((x, y, z))
    _compare_count(path, len(xyz))
    return SparsePoints(
        xyz=np.array(xyz, dtype=np.float64).reshape(-1, 3),
        observed=np.array(observed, dtype=np.int64),
        observer=np.array(observer, dtype=np.int64),
    )


def _content(path: Path) -> Iterator[tuple[int, str]]:
    """Return the lines with their numbers, without comments and empty ones."""
    return ((number, line) for number, line in _lines(path) if not _is_empty(line))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Return all lines with their numbers, from 1.

    Raises:
        UserError: The file is no text.
    """
    try:
        text = decode_text(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: expected a text file of a COLMAP model, found something else ({error}). Copy it again, "
            "or export the model again."
        ) from error
    return enumerate(text.split("\n"), start=1)


def _compare_count(path: Path, found: int) -> None:
    """Log a warning if a comment of the file counts more or fewer entries than there are."""
    with path.open("rb") as file:
        match = _COUNT.search(file.read(_COMMENT_BYTES))
    stated = int(match[1]) if match else found
    if stated != found:
        logger.warning(
            "%s: its comment says that there are %d entries, found %d; was it cut off, or edited by hand?",
            path,
            stated,
            found,
        )


def _is_empty(line: str) -> bool:
    """Return whether a line holds nothing but a comment."""
    return not line.strip() or line.lstrip().startswith("#")


@contextmanager
def _parsing(path: Path, number: int, line: str, form: str) -> Iterator[None]:
    """Turn what parsing a line raises into a UserError."""
    try:
        yield
    # Words that are no numbers, or too few of them.
    except (ValueError, IndexError) as error:
        raise UserError(
            f"{path}, line {number}: expected {form}, found '{line.strip()[:80]}' ({error}). Export the "
            "model again."
        ) from error
