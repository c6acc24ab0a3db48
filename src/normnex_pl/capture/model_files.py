"""Storing the reconstruction of a capture, with the pinhole camera of the undistorted photos."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap
from PIL import ImageFilter

from normnex_pl.capture.exposure import exposure_offsets
from normnex_pl.capture.structure import Reconstruction
from normnex_pl.core.files import write_json
from normnex_pl.data.photos.formats import open_photo
from normnex_pl.data.photos.intrinsics import CameraIntrinsics, check_intrinsics
from normnex_pl.data.photos.undistortion import undistortion
from normnex_pl.data.readers.colmap_model import CAMERA_MODELS, camera_intrinsics

_FACTS_FILE = "facts.json"
_MODEL_FOLDER = "sparse"
_BLUR = 3  # pixels


@dataclass(frozen=True)
class ModelFacts:
    """Facts about a reconstruction beside its cameras and points.

    Attributes:
        intrinsics: Of the photos before they are undistorted.
        error: Mean distance between a point's projection and where a photo shows it, in pixels.
        track: How many photos a point was found in, on average.
        sizes: Of all models, in photos, the largest first.
        pairs: Of photos that see something in common.
        stops: How much brighter or darker a photo of the scene is than the others, by its name.
    """

    intrinsics: CameraIntrinsics
    error: float
    track: float
    sizes: tuple[int, ...]
    pairs: int
    stops: dict[str, float]


def store_model(folder: Path, found: Reconstruction, names: Sequence[str], photos: Path) -> ModelFacts:
    """Write the largest model, with a pinhole camera, and facts about it.

    Args:
        folder: Gets ``sparse/`` and ``facts.json``; the latter last, as a mark that the stage is complete.
        found: A model of photos ``00000.png``, ``00001.png``, ...
        names: Of the photos in the scene, by their number.
        photos: Folder of the photos.

    Returns:
        The facts.

    Raises:
        UserError: The distortion that was estimated can't be removed.
    """
    model = found.model
    (identifier,) = model.cameras
    camera = model.cameras[identifier]
    intrinsics = _intrinsics(camera)
    stops = _exposures(model, photos)
    facts = ModelFacts(
        intrinsics=intrinsics,
        error=float(model.compute_mean_reprojection_error()),
        track=float(model.compute_mean_track_length()),
        sizes=found.sizes,
        pairs=found.pairs,
        stops={names[number]: value for number, value in stops.items()},
    )
    where = "the camera that was estimated"
    check_intrinsics(where, intrinsics)
    target = undistortion(where, intrinsics).pinhole
    pinhole = pycolmap.Camera.create_from_model_name(
        identifier, "PINHOLE", target.fx, camera.width, camera.height
    )
    pinhole.params = [target.fx, target.fy, target.cx, target.cy]
    for image in model.images.values():
        image.name = names[_number(image)]
        _move_keypoints(image, camera, pinhole)
    camera.model, camera.params = pinhole.model, pinhole.params
    model.update_point_3d_errors()
    (folder / _MODEL_FOLDER).mkdir(exist_ok=True)
    model.write_binary(folder / _MODEL_FOLDER)
    write_json(folder / _FACTS_FILE, asdict(facts))
    return facts


def read_facts(folder: Path) -> ModelFacts | None:
    """Read the facts that `store_model` stored; None unless it came to its end."""
    path = folder / _FACTS_FILE
    if not path.is_file():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    if "intrinsics" not in content:  # stored by an earlier version
        return None
    stored = content["intrinsics"]
    intrinsics = CameraIntrinsics(**stored | {"distortion": tuple(stored["distortion"])})
    return ModelFacts(**content | {"intrinsics": intrinsics, "sizes": tuple(content["sizes"])})


def model_folder(folder: Path) -> Path:
    """Return where the cameras and points are."""
    return folder / _MODEL_FOLDER


def _intrinsics(camera: Any) -> CameraIntrinsics:
    """Convert COLMAP's camera to the record of the readers."""
    values = [float(value) for value in camera.params]
    parameters = CAMERA_MODELS[camera.model.name]
    return camera_intrinsics(parameters, float(camera.width), float(camera.height), values)


def _number(image: Any) -> int:
    """Return the number of an image's photo."""
    return int(Path(image.name).stem)


def _exposures(model: Any, photos: Path) -> dict[int, float]:
    """Return how much brighter or darker the photos show the points that they share, in stops, by number."""
    colors, observed, photo = [], [], []
    images = list(model.images.values())
    for index, image in enumerate(images):
        seen = [point for point in image.points2D if point.has_point3D()]
        with open_photo(photos / image.name) as picture:
            # Means over some pixels: a feature is an edge or a spot, where a single pixel is unreliable.
            pixels = np.asarray(picture.filter(ImageFilter.BoxBlur(_BLUR)))
        places = np.array([point.xy for point in seen]).reshape(-1, 2).astype(int)
        columns, rows = np.clip(places, 0, np.array(pixels.shape[1::-1]) - 1).T
        colors.append(pixels[rows, columns].astype(float))
        observed.append(np.array([point.point3D_id for point in seen], dtype=np.int64))
        photo.append(np.full(len(seen), index))
    offsets = exposure_offsets(
        np.concatenate(colors), np.concatenate(observed), np.concatenate(photo), len(images)
    )
    return {_number(image): float(value) for image, value in zip(images, offsets, strict=True)}


def _move_keypoints(image: Any, camera: Any, pinhole: Any) -> None:
    """Move the features of an image from the photo to the undistorted one."""
    if not image.points2D:
        return
    old = np.array([point.xy for point in image.points2D])
    directions = camera.cam_from_img(old)
    new = pinhole.img_from_cam(np.concatenate([directions, np.ones((len(old), 1))], axis=1))
    for point, place in zip(image.points2D, new, strict=True):
        point.xy = place
