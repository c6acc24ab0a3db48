"""Scenes in nerfstudio's format: ``transforms.json`` with a pose, and perhaps a lens, for each photo.

``transform_matrix`` is camera to world with OpenGL axes (right, up, backward). ``fl_x``, ``fl_y``, ``cx``,
``cy``, ``w``, ``h`` and the distortion ``k1``, ``k2``, ``k3``, ``p1``, ``p2`` stand in a frame or, for all
of them, at the top; ``camera_angle_x`` in radians replaces the focal length. Pixel centres at integer + 0.5.

Format: https://docs.nerf.studio/quickstart/data_conventions.html. Depth bounds come from the points of
``ply_file_path``, which are in the same world, or else from ``planes.txt``, in the units of the file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.images import read_size
from normnex_pl.data.photos.lenses import CameraIntrinsics, check_lens
from normnex_pl.data.planes.percentiles import Percentiles
from normnex_pl.data.planes.unit import scene_unit
from normnex_pl.data.readers.base import SceneReader, check_folder
from normnex_pl.data.readers.bounds import FixedBounds, depths_from, points_in_picture, robust_bounds
from normnex_pl.data.readers.json_files import (
    read_json,
    read_list,
    read_number,
    read_numbers,
    read_word,
    refuse,
)
from normnex_pl.data.readers.named_photos import existing_photo, find_photos, locate_photo
from normnex_pl.data.readers.ply import read_ply_points
from normnex_pl.data.scene.build import Split, check_pose
from normnex_pl.data.scene.load import PosedPhotos

_FILE = "transforms.json"
_PHOTOS = "images/"
# What isn't named is a pinhole with OpenCV's distortion.
_CAMERA_MODELS = (None, "OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "PERSPECTIVE")
_DISTORTION = ("k1", "k2", "p1", "p2", "k3")
_OPENCV_FROM_OPENGL = (1.0, -1.0, -1.0, 1.0)  # of the columns right, up, backward and position
_AFFINE_ROW = (0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class _Frame:
    """A photo's entry.

    Attributes:
        where: File and place in it, for messages.
        fields: The frame's keys over those at the top.
        path: Of the photo, as the file has it.
    """

    where: str
    fields: Mapping[str, Any]
    path: str


class NerfstudioReader(SceneReader):
    """Read ``transforms.json``; photos are undistorted where there are distortion coefficients.

    Args:
        percentiles: Of the depths of the points in a view's picture, between which its bounds lie.
        bounds: Depths of the nearest and the farthest content in the units of the file, for scenes without
            points; stronger than points and ``planes.txt``.
    """

    def __init__(
        self,
        percentiles: Percentiles = Percentiles(),  # noqa: B008 (frozen)
        bounds: FixedBounds | None = None,
    ) -> None:
        self.percentiles = percentiles
        self.bounds = bounds

    @override
    def recognises(self, root: Path) -> bool:
        return (root / _FILE).exists()

    @override
    def read(self, root: Path, width: int | None) -> PosedPhotos:
        check_folder(root)
        content = _read_content(root / _FILE)
        frames = _frames(root / _FILE, content)
        found = _find_files(root, frames, width)
        order = sorted(range(len(found)), key=found.__getitem__)
        frames, files = [frames[i] for i in order], tuple(found[i] for i in order)
        lenses = tuple(_lens(frame, root, file) for frame, file in zip(frames, files, strict=True))
        c2w = np.stack([_pose(frame) for frame in frames])
        ply = root / str(content.get("ply_file_path") or "")
        points = read_ply_points(ply) if ply.is_file() else None
        bounds = self._bounds(root, ply, points, frames, lenses, c2w)
        return PosedPhotos(
            kind="nerfstudio",
            root=root,
            source=root / _FILE,
            files=files,
            lenses=lenses,
            c2w=c2w,
            bounds=bounds,
            split=_stored_split(root / _FILE, content, frames),
            planes_unit=scene_unit(bounds),
            points=points,
        )

    def _bounds(
        self,
        root: Path,
        ply: Path,
        points: Float[np.ndarray, "point 3"] | None,
        frames: list[_Frame],
        lenses: tuple[CameraIntrinsics, ...],
        c2w: Float[np.ndarray, "view 3 4"],
    ) -> Float[np.ndarray, "view 2"]:
        """Given, or robust depths of what each view sees, or those of the planes."""
        if self.bounds is not None:
            return self.bounds.of_views(len(frames))
        if points is not None:
            depths = [
                depths_from(pose, points[points_in_picture(points, pose, lens)])
                for pose, lens in zip(c2w, lenses, strict=True)
            ]
            named = zip(frames, depths, strict=True)
            return np.array([robust_bounds(ply, frame.path, d, self.percentiles) for frame, d in named])
        fixed = FixedBounds.of_planes_file(root)
        if fixed is None:
            raise UserError(
                f"{root / _FILE}: expected depth bounds from the points in the file of 'ply_file_path' or "
                "from planes.txt, found no such files. Write 'near far' in units of the file to planes.txt, "
                "or give --data.reader=normnex_pl.data.readers.NerfstudioReader "
                "--data.reader.bounds='{near: 1, far: 10}'."
            )
        return fixed.of_views(len(frames))


def _read_content(path: Path) -> Mapping[str, Any]:
    """Return the object at the top of the file."""
    content = read_json(path)
    if not isinstance(content, dict):
        refuse(str(path), "an object with 'frames'", type(content).__name__)
    return content


def _frames(path: Path, content: Mapping[str, Any]) -> list[_Frame]:
    """Return the entries of all photos."""
    frames = []
    shared = {key: value for key, value in content.items() if key != "frames"}
    for index, frame in enumerate(read_list(f"{path}, 'frames'", content.get("frames"), dict, "frames")):
        where = f"{path}, frame {index}"
        frames.append(_Frame(where, shared | frame, read_word(where, frame, "file_path")))
    return frames


def _find_files(root: Path, frames: list[_Frame], width: int | None) -> list[Path]:
    """Return the photos; those below ``images/`` may be replaced by smaller copies in ``images_<n>/``."""
    paths = [frame.path.replace("\\", "/").removeprefix("./") for frame in frames]
    if all(path.startswith(_PHOTOS) for path in paths):
        return list(find_photos(root, [path.removeprefix(_PHOTOS) for path in paths], width))
    return [existing_photo(root, path, frame.where) for path, frame in zip(paths, frames, strict=True)]


def _lens(frame: _Frame, root: Path, file: Path) -> CameraIntrinsics:
    """Return the lens of a frame; what the file leaves out is taken from the photo."""
    model = frame.fields.get("camera_model")
    if model not in _CAMERA_MODELS:
        known = ", ".join(filter(None, _CAMERA_MODELS))
        refuse(frame.where, f"a camera model among {known}", repr(model))
    if frame.fields.get("k4"):
        refuse(frame.where, "no fourth radial coefficient 'k4'", repr(frame.fields["k4"]))
    # Sizes that aren't given are those of the photo that the frame names, not of a smaller copy.
    width, height = _stored_size(frame, locate_photo(root / frame.path) or file)
    fx = _focal_length(frame, "x", width)
    lens = CameraIntrinsics(
        width=width,
        height=height,
        fx=fx,
        fy=_focal_length(frame, "y", height) if {"fl_y", "camera_angle_y"} & set(frame.fields) else fx,
        cx=_optional(frame, "cx", width / 2),
        cy=_optional(frame, "cy", height / 2),
        distortion=tuple(_optional(frame, key, 0.0) for key in _DISTORTION),
    )
    check_lens(frame.where, lens)
    return lens


def _stored_size(frame: _Frame, file: Path) -> tuple[float, float]:
    """Width and height that the intrinsics belong to."""
    if "w" in frame.fields and "h" in frame.fields:
        return read_number(frame.where, frame.fields, "w"), read_number(frame.where, frame.fields, "h")
    width, height = read_size(file)
    return float(width), float(height)


def _focal_length(frame: _Frame, axis: str, size: float) -> float:
    """In pixels; from the angle that the picture covers, if that is all there is."""
    if f"fl_{axis}" in frame.fields or f"camera_angle_{axis}" not in frame.fields:
        return read_number(frame.where, frame.fields, f"fl_{axis}")
    angle = read_number(frame.where, frame.fields, f"camera_angle_{axis}")
    if not 0 < angle < math.pi:
        refuse(frame.where, f"0 < 'camera_angle_{axis}' < pi", f"{angle:g}")
    return size / 2 / math.tan(angle / 2)


def _optional(frame: _Frame, key: str, default: float) -> float:
    """Return a number that may be left out."""
    return read_number(frame.where, frame.fields, key) if key in frame.fields else default


def _pose(frame: _Frame) -> Float[np.ndarray, "3 4"]:
    """Camera to world in OpenCV axes."""
    key = "transform_matrix"
    rows = len(frame.fields[key]) if isinstance(frame.fields.get(key), list) else 4
    matrix = read_numbers(frame.where, frame.fields, key, (3 if rows == 3 else 4, 4))
    if rows == 4 and not np.array_equal(matrix[3], _AFFINE_ROW):
        refuse(frame.where, f"'{key}' that ends with 0, 0, 0, 1", ", ".join(f"{v:g}" for v in matrix[3]))
    c2w = matrix[:3] * _OPENCV_FROM_OPENGL
    check_pose(frame.where, c2w)
    return c2w


def _stored_split(path: Path, content: Mapping[str, Any], frames: list[_Frame]) -> Split | None:
    """Return the split that the file lists, if it does: what isn't listed at all is left out.

    Held out are ``test_filenames`` or else ``val_filenames``. With one of the lists for training and testing
    missing, all views that no list has are in the missing one.
    """
    index = {_normalised(frame.path): position for position, frame in enumerate(frames)}
    lists: dict[str, set[int]] = {}
    for key in ("train", "val", "test"):
        names = content.get(f"{key}_filenames")
        if not names:
            continue
        where = f"{path}, '{key}_filenames'"
        listed = {_normalised(name): name for name in read_list(where, names, str, "names")}
        for name in listed.keys() - index.keys():
            refuse(where, "names of frames", f"'{listed[name][:80]}'")
        lists[key] = {index[name] for name in listed}
    if not lists:
        return None
    others = set(range(len(frames))) - set().union(*lists.values())
    train, test = lists.get("train", others), lists.get("test", lists.get("val", others))
    if both := train & test:
        refuse(str(path), "photos for training or testing", f"'{frames[min(both)].path}' listed for both")
    return Split(train=tuple(sorted(train)), test=tuple(sorted(test)))


def _normalised(path: str) -> str:
    """Return one spelling for paths that mean the same."""
    return Path(path.replace("\\", "/")).as_posix()
