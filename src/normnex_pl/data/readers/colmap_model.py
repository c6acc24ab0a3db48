"""A sparse model as COLMAP stores it: cameras, images and points, in binary or text files.

What is needed of the format, and no more: https://colmap.github.io/format.html. Newer versions add files
for rigs and frames; ``images`` still holds the pose of each photo. Identifiers are arbitrary numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from kornia.geometry.conversions import quaternion_to_rotation_matrix

from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.lenses import CameraIntrinsics


@dataclass(frozen=True)
class CameraKind:
    """One of COLMAP's camera models.

    Attributes:
        name: As text files have it.
        parameters: What its numbers are, in their order; ``f`` stands for both focal lengths.
    """

    name: str
    parameters: tuple[str, ...]


# By the number that binary files have; the models that a pinhole with OpenCV's distortion covers.
CAMERA_KINDS: Mapping[int, CameraKind] = {
    0: CameraKind("SIMPLE_PINHOLE", ("f", "cx", "cy")),
    1: CameraKind("PINHOLE", ("fx", "fy", "cx", "cy")),
    2: CameraKind("SIMPLE_RADIAL", ("f", "cx", "cy", "k1")),
    3: CameraKind("RADIAL", ("f", "cx", "cy", "k1", "k2")),
    4: CameraKind("OPENCV", ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2")),
    6: CameraKind("FULL_OPENCV", ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")),
}
_DISTORTION = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")


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
        xyz: Positions in the world of the model.
        observed: Index of the point of each observation.
        observer: Identifier of the image of each observation.
    """

    xyz: Float[np.ndarray, "point 3"]
    observed: Int[np.ndarray, "observation"]
    observer: Int[np.ndarray, "observation"]


@dataclass(frozen=True)
class SparseModel:
    """A model in the frame and the units of its files, which have no scale of their own.

    Attributes:
        cameras: By their number.
        images: In the order of the file.
        points: Of the whole model.
    """

    cameras: Mapping[int, CameraIntrinsics]
    images: tuple[PosedImage, ...]
    points: SparsePoints


def lens_of(kind: CameraKind, width: float, height: float, values: Sequence[float]) -> CameraIntrinsics:
    """Read a camera's numbers as its model says.

    Args:
        kind: Its model.
        width: Of its pictures in pixels.
        height: Of its pictures in pixels.
        values: As many as the model has parameters.
    """
    named = dict(zip(kind.parameters, values, strict=True))
    return CameraIntrinsics(
        width=width,
        height=height,
        fx=named.get("fx", named.get("f", 0.0)),
        fy=named.get("fy", named.get("f", 0.0)),
        cx=named["cx"],
        cy=named["cy"],
        distortion=tuple(named[key] for key in _DISTORTION if key in named)
        if "p1" in named
        else _radial([named[key] for key in ("k1", "k2") if key in named]),
    )


def unknown_camera(path: Path, identifier: int, found: str) -> UserError:
    """What to say of a camera model that isn't among `CAMERA_KINDS`."""
    known = ", ".join(kind.name for kind in CAMERA_KINDS.values())
    return UserError(
        f"{path}: expected camera models among {known}, found {found} for camera {identifier}. Undistort the "
        "photos with COLMAP's image_undistorter, or estimate the poses with one of these models."
    )


def c2w_of(image: PosedImage) -> Float[np.ndarray, "3 4"]:
    """Camera to world in OpenCV axes, which are COLMAP's too."""
    quaternion = torch.tensor(image.quaternion, dtype=torch.float64)
    rotation = quaternion_to_rotation_matrix(quaternion).numpy()
    with np.errstate(over="ignore", invalid="ignore"):  # poses are checked afterwards
        position = -rotation.T @ np.array(image.translation)
    return np.concatenate([rotation.T, position[:, None]], axis=1)


def _radial(coefficients: list[float]) -> tuple[float, ...]:
    """Coefficients k1 and k2 alone, in OpenCV's order; none at all for a pinhole."""
    return tuple((*coefficients, 0.0, 0.0)[:2]) if coefficients else ()
