"""Scenes of the Spaces data set: ``models.json`` beside a folder of photos for each camera of a rig.

The file has a list of rig positions, each a list of cameras: intrinsics, the photo's path, position in metres
and orientation, an axis times an angle that takes the world to OpenCV's camera axes. Pixel centres lie at
integer + 0.5. The cameras of a rig differ in focal length and, by a few percent, in height.

Format: https://github.com/augmentedperception/spaces_dataset. It has neither depths nor held-out views;
``planes.txt``, in metres, and ``train_image.txt`` and ``val_image.txt`` give them, where the scene has these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from kornia.geometry.conversions import axis_angle_to_rotation_matrix
from typing_extensions import override

from normnex_pl.data.photos.folders import photos_below
from normnex_pl.data.photos.intrinsics import CameraIntrinsics, check_intrinsics
from normnex_pl.data.photos.posed import PosedPhotos
from normnex_pl.data.poses import check_pose
from normnex_pl.data.readers.base import SceneReader
from normnex_pl.data.readers.bounds import FixedBounds
from normnex_pl.data.readers.json_files import (
    read_json,
    read_list,
    read_number,
    read_numbers,
    read_word,
    refuse,
    shortened,
)
from normnex_pl.data.readers.named_photos import check_listed_once, existing_photo
from normnex_pl.data.readers.unread_keys import is_nothing, warn_of_unread_keys

_FILE = "models.json"
_PROJECTIONS = (None, "pinhole", "perspective", "rectilinear")
_READ = (
    *("width", "height", "focal_length", "pixel_aspect_ratio", "principal_point", "position", "orientation"),
    *("relative_path", "projection_type", "radial_distortion"),
)


class SpacesReader(SceneReader):
    """Read ``models.json``.

    Args:
        near: Depth of the nearest content in metres, where ``planes.txt`` doesn't give it.
        far: Depth of the farthest content in metres, where ``planes.txt`` doesn't give it. The defaults
            are those of the data set's own programs.
    """

    def __init__(self, near: float = 1.0, far: float = 100.0) -> None:
        self.default_bounds = FixedBounds(near, far)

    @property
    @override
    def looks_for(self) -> str:
        return f"{_FILE} (Spaces)"

    @override
    def recognises(self, root: Path) -> bool:
        return (root / _FILE).exists()

    @override
    def files(self, root: Path) -> Iterable[Path]:
        yield from (path for path in [root / _FILE] if path.is_file())
        yield from photos_below(root)

    @override
    def read(self, root: Path, width: int | None) -> PosedPhotos:
        cameras = _read_cameras(root / _FILE)
        warn_of_unread_keys(root / _FILE, [camera for _, camera in cameras], _READ, {})
        names = [read_word(where, camera, "relative_path") for where, camera in cameras]
        files = [existing_photo(root, name, where) for name, (where, _) in zip(names, cameras, strict=True)]
        check_listed_once(root / _FILE, names, files)
        order = sorted(range(len(files)), key=files.__getitem__)
        return PosedPhotos(
            kind="Spaces",
            root=root,
            source=root / _FILE,
            files=tuple(files[i] for i in order),
            intrinsics=tuple(_intrinsics(*cameras[i]) for i in order),
            c2w=np.stack([_pose(*cameras[i]) for i in order]),
            bounds=(FixedBounds.of_planes_file(root) or self.default_bounds).of_views(len(files)),
        )


def _read_cameras(path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the cameras of all rig positions, each with its place for messages."""
    positions = read_list(str(path), read_json(path), list, "rig positions")
    return [
        (f"{path}, rig position {i}, camera {j}", camera)
        for i, position in enumerate(positions)
        for j, camera in enumerate(read_list(f"{path}, rig position {i}", position, dict, "cameras"))
    ]


def _check_lens(where: str, camera: Mapping[str, Any]) -> None:
    """Raise a UserError if a camera has a fisheye lens or distortion, as those of DeepView's videos have."""
    if camera.get("projection_type") not in _PROJECTIONS:
        refuse(where, "a pinhole as 'projection_type'", shortened(camera["projection_type"]))
    coefficients = camera.get("radial_distortion")
    if not is_nothing(coefficients):
        refuse(where, "no 'radial_distortion'", shortened(coefficients))


def _intrinsics(where: str, camera: Mapping[str, Any]) -> CameraIntrinsics:
    """Return the intrinsics of a camera, whose pixels need not be square."""
    _check_lens(where, camera)
    focal = read_number(where, camera, "focal_length")
    cx, cy = read_numbers(where, camera, "principal_point", (2,))
    intrinsics = CameraIntrinsics(
        width=read_number(where, camera, "width"),
        height=read_number(where, camera, "height"),
        fx=focal,
        fy=focal * read_number(where, camera, "pixel_aspect_ratio"),
        cx=float(cx),
        cy=float(cy),
    )
    check_intrinsics(where, intrinsics)
    return intrinsics


def _pose(where: str, camera: Mapping[str, Any]) -> Float[np.ndarray, "3 4"]:
    """Return the pose of a camera as camera to world in OpenCV axes."""
    orientation = torch.from_numpy(read_numbers(where, camera, "orientation", (3,)))
    position = read_numbers(where, camera, "position", (3,))
    camera_from_world = axis_angle_to_rotation_matrix(orientation[None])[0].numpy()
    c2w = np.concatenate([camera_from_world.T, position[:, None]], axis=1)
    check_pose(where, c2w)
    return c2w
