"""A sparse reconstruction as COLMAP stores it: cameras, images and points, in binary or text files.

Only what is needed of the format (https://colmap.github.io/format.html). Newer versions add files
for rigs and frames; ``images`` still holds the pose of each photo. Identifiers are arbitrary numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from kornia.geometry.conversions import quaternion_to_rotation_matrix

from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.intrinsics import CameraIntrinsics

# The camera models that a pinhole with OpenCV's distortion covers, and their parameters in the order of the
# files; ``f`` stands for both focal lengths. In the order of COLMAP's numbers.
CAMERA_MODELS: Mapping[str, tuple[str, ...]] = {
    "SIMPLE_PINHOLE": ("f", "cx", "cy"),
    "PINHOLE": ("fx", "fy", "cx", "cy"),
    "SIMPLE_RADIAL": ("f", "cx", "cy", "k1"),
    "RADIAL": ("f", "cx", "cy", "k1", "k2"),
    "OPENCV": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2"),
    "FULL_OPENCV": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
}
_DISTORTION = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")


@dataclass(frozen=True)
class ModelFiles:
    """The files of a reconstruction, all binary or all text.

    Attributes:
        cameras: Intrinsics.
        images: Poses, and names of photos.
        points: Positions and tracks.
    """

    cameras: Path
    images: Path
    points: Path

    @classmethod
    def of(cls, folder: Path, ending: str) -> ModelFiles:
        """Name the files in a folder, with ``.bin`` or ``.txt``."""
        return cls(*(folder / f"{part}{ending}" for part in ("cameras", "images", "points3D")))

    def __iter__(self) -> Iterator[Path]:
        return iter((self.cameras, self.images, self.points))


@dataclass(frozen=True)
class PosedImage:
    """A registered photo.

    Attributes:
        identifier: Number by which points refer to it.
        camera: Number of its camera.
        name: Path of the photo below the folder of photos.
        quaternion: World to camera, w first.
        translation: World to camera.
    """

    identifier: int
    camera: int
    name: str
    quaternion: tuple[float, float, float, float]
    translation: tuple[float, float, float]


@dataclass(frozen=True)
class SparsePoints:
    """Triangulated points, and who sees them.

    Attributes:
        xyz: Positions in the world of the reconstruction.
        observed: Index of the point of each observation.
        observer: Identifier of the image of each observation.
    """

    xyz: Float[np.ndarray, "point 3"]
    observed: Int[np.ndarray, "observation"]
    observer: Int[np.ndarray, "observation"]


@dataclass(frozen=True)
class SparseReconstruction:
    """A reconstruction in the frame and the units of its files, which have no scale of their own.

    Attributes:
        cameras: By their number.
        images: In the order of the file.
        points: All of them.
    """

    cameras: Mapping[int, CameraIntrinsics]
    images: tuple[PosedImage, ...]
    points: SparsePoints


def camera_parameters(path: Path, identifier: int, model: str) -> tuple[str, ...]:
    """Return the parameters of a camera model, in the order of the files.

    Raises:
        UserError: The model isn't among `CAMERA_MODELS`.
    """
    if model not in CAMERA_MODELS:
        raise UserError(
            f"{path}: expected camera models among {', '.join(CAMERA_MODELS)}, found {model} for camera "
            f"{identifier}. Undistort the photos with COLMAP's image_undistorter, or estimate the poses with "
            "one of these models."
        )
    return CAMERA_MODELS[model]


def camera_intrinsics(
    parameters: tuple[str, ...], width: float, height: float, values: Sequence[float]
) -> CameraIntrinsics:
    """Convert the parameters of a camera to intrinsics.

    Args:
        parameters: Their names, as `CAMERA_MODELS` has them.
        width: Of its pictures in pixels.
        height: Of its pictures in pixels.
        values: As many as there are parameters.

    Raises:
        ValueError: There are more or fewer.
    """
    named = dict(zip(parameters, values, strict=True))
    known = sum(key in named for key in _DISTORTION)
    # One radial coefficient alone is written as two, the form of OpenCV.
    distortion = _DISTORTION[: max(2, known)] if known else ()
    return CameraIntrinsics(
        width=width,
        height=height,
        fx=named.get("fx", named.get("f", 0.0)),
        fy=named.get("fy", named.get("f", 0.0)),
        cx=named["cx"],
        cy=named["cy"],
        distortion=tuple(named.get(key, 0.0) for key in distortion),
    )


def add_camera(
    path: Path, cameras: MutableMapping[int, CameraIntrinsics], identifier: int, intrinsics: CameraIntrinsics
) -> None:
    """Add a camera to those that were read from a file.

    Raises:
        UserError: There is another one of that number.
    """
    if identifier in cameras:
        raise UserError(
            f"{path}: expected cameras with different numbers, found {identifier} twice. Export the model "
            "again."
        )
    cameras[identifier] = intrinsics


def c2w_of(image: PosedImage) -> Float[np.ndarray, "3 4"]:
    """Return the pose as camera to world in OpenCV axes, which are COLMAP's too."""
    quaternion = torch.tensor(image.quaternion, dtype=torch.float64)
    rotation = quaternion_to_rotation_matrix(quaternion).numpy()
    with np.errstate(over="ignore", invalid="ignore"):  # poses are checked afterwards
        position = -rotation.T @ np.array(image.translation)
    return np.concatenate([rotation.T, position[:, None]], axis=1)
