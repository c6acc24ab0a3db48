"""Scenes with a COLMAP model: photos, and ``cameras``, ``images`` and ``points3D``, binary or as text.

The model is in ``dense/sparse/`` (photos in ``dense/images/``, as COLMAP's image_undistorter writes them),
or else in ``sparse/0/`` or ``sparse/`` (photos in ``images/`` or, smaller, ``images_<n>/``). Photos that the
model doesn't have are left out. Where a folder has both forms of the files the binary one is read.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path

import numpy as np
from jaxtyping import Float
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.lenses import CameraIntrinsics, check_lens
from normnex_pl.data.planes.percentiles import Percentiles
from normnex_pl.data.planes.unit import scene_unit
from normnex_pl.data.readers.base import SceneReader, check_folder
from normnex_pl.data.readers.bounds import depths_from, points_in_picture, robust_bounds
from normnex_pl.data.readers.colmap_binary import read_binary
from normnex_pl.data.readers.colmap_model import PosedImage, SparseModel, SparsePoints, c2w_of
from normnex_pl.data.readers.colmap_text import read_text
from normnex_pl.data.readers.named_photos import find_photos
from normnex_pl.data.scene.build import check_pose
from normnex_pl.data.scene.load import PosedPhotos

logger = logging.getLogger(__name__)

# Where a model may be, and the folder below which its photos are.
_PLACES = (
    ("dense/sparse", "dense"),
    ("dense/sparse/0", "dense"),
    ("sparse/0", "."),
    ("sparse", "."),
)
# Where a model may be below the scene's folder.
MODEL_FOLDERS = tuple(model for model, _ in _PLACES)
_PARTS = ("cameras", "images", "points3D")
# Fewer tracks than this, as in models whose points were made elsewhere, say nothing about what a view sees.
_FEWEST_TRACKS = 8


class ColmapReader(SceneReader):
    """Read a sparse model of COLMAP; photos are undistorted where their camera isn't a pinhole.

    Args:
        percentiles: Of the depths of the points that a view sees, between which its bounds lie.
    """

    def __init__(self, percentiles: Percentiles = Percentiles()) -> None:  # noqa: B008 (frozen)
        self.percentiles = percentiles

    @override
    def recognises(self, root: Path) -> bool:
        return find_model(root) is not None

    @override
    def read(self, root: Path, width: int | None) -> PosedPhotos:
        check_folder(root)
        place = find_model(root)
        if place is None:
            places = ", ".join(f"{model}/" for model, _ in _PLACES)
            raise UserError(
                f"{root}: expected a COLMAP model (cameras, images and points3D, .bin or .txt) in {places}, "
                "found none. Check the path of the scene, or estimate poses from its photos first."
            )
        folder, photos = place
        _warn_of_others(folder)
        model = read_model(folder)
        source = folder / f"images{_ending(folder)}"
        images, files = _sorted_by_file(
            model.images, find_photos(photos, [image.name for image in model.images], width)
        )
        lenses = tuple(_lens(folder, model, image) for image in images)
        c2w = np.stack([_checked_pose(source, image) for image in images])
        bounds = self._bounds(folder, model.points, images, lenses, c2w)
        return PosedPhotos(
            kind="COLMAP",
            root=root,
            source=source,
            files=files,
            lenses=lenses,
            c2w=c2w,
            bounds=bounds,
            split=None,
            planes_unit=scene_unit(bounds),
            points=model.points.xyz,
        )

    def _bounds(
        self,
        folder: Path,
        points: SparsePoints,
        images: tuple[PosedImage, ...],
        lenses: tuple[CameraIntrinsics, ...],
        c2w: Float[np.ndarray, "view 3 4"],
    ) -> Float[np.ndarray, "view 2"]:
        """Robust depths of what each view sees."""
        source = folder / f"points3D{_ending(folder)}"
        return np.array(
            [
                robust_bounds(
                    source,
                    image.name,
                    depths_from(pose, visible_points(points, image, pose, lens)),
                    self.percentiles,
                )
                for image, pose, lens in zip(images, c2w, lenses, strict=True)
            ]
        )


def find_model(root: Path) -> tuple[Path, Path] | None:
    """Look for a model.

    Returns:
        The model's folder, and the one that holds ``images/``; None if there is no model.
    """
    for model, photos in _PLACES:
        folder = root / model
        if any((folder / f"cameras{ending}").exists() for ending in (".bin", ".txt")):
            return folder, root / photos
    return None


def read_model(folder: Path) -> SparseModel:
    """Read the model in a folder, from binary files if all of them are there.

    Raises:
        UserError: A file is missing or damaged, or the model has no images.
    """
    ending = _ending(folder)
    for part in _PARTS:
        if not (folder / f"{part}{ending}").exists():
            raise UserError(
                f"{folder / part}{ending}: expected this file of a COLMAP model, found no such file. Copy "
                "the model again, or export it again."
            )
    model = read_binary(folder) if ending == ".bin" else read_text(folder)
    if not model.images:
        raise UserError(
            f"{folder}/images{ending}: expected the poses of photos, found none. Estimate the poses again."
        )
    return model


def visible_points(
    points: SparsePoints, image: PosedImage, c2w: Float[np.ndarray, "3 4"], lens: CameraIntrinsics
) -> Float[np.ndarray, "visible 3"]:
    """Return the points that were triangulated from an image.

    Points of other origin have no tracks; then all that project into the picture are taken.
    """
    # Once each: a photo may have two keypoints of the same point.
    tracked = points.xyz[np.unique(points.observed[points.observer == image.identifier])]
    return tracked if len(tracked) >= _FEWEST_TRACKS else points.xyz[points_in_picture(points.xyz, c2w, lens)]


def _ending(folder: Path) -> str:
    """Of the files to read: binary unless only the text files are complete."""
    complete = [
        ending for ending in (".bin", ".txt") if all((folder / f"{part}{ending}").exists() for part in _PARTS)
    ]
    some = [ending for ending in (".bin", ".txt") if (folder / f"cameras{ending}").exists()]
    return [*complete, *some][0]


def _warn_of_others(folder: Path) -> None:
    """Say so if COLMAP could not join all photos into one model."""
    others = sorted(path.name for path in folder.parent.glob("[0-9]*") if path.is_dir() and path != folder)
    if folder.name == "0" and others:
        logger.warning("%s: reading this model; others beside it are ignored (%s)", folder, ", ".join(others))


def _sorted_by_file(
    images: tuple[PosedImage, ...], files: tuple[Path, ...]
) -> tuple[tuple[PosedImage, ...], tuple[Path, ...]]:
    """Images in the order of their photos."""
    order = sorted(range(len(files)), key=files.__getitem__)
    return tuple(images[i] for i in order), tuple(files[i] for i in order)


def _lens(folder: Path, model: SparseModel, image: PosedImage) -> CameraIntrinsics:
    """Return the camera of an image, checked."""
    path = folder / f"cameras{_ending(folder)}"
    lens = model.cameras.get(image.camera)
    if lens is None:
        raise UserError(
            f"{path}: expected a camera {image.camera}, which took '{image.name}', found the cameras "
            f"{', '.join(map(str, sorted(model.cameras))) or 'none'}. Take all files from one model."
        )
    check_lens(f"{path}, camera {image.camera}", lens)
    return lens


def _checked_pose(source: Path, image: PosedImage) -> Float[np.ndarray, "3 4"]:
    """Return the pose of an image, whose quaternion is nearly of length 1."""
    length = math.hypot(*image.quaternion)
    # Written so that NaN fails; zeros would pass for a rotation later.
    if not 0.9 < length < 1.1:
        raise UserError(
            f"{source}, photo '{image.name}': expected a quaternion of length 1, found one of length "
            f"{length:g}. Estimate the poses again."
        )
    c2w = c2w_of(image)
    check_pose(f"{source}, photo '{image.name}'", c2w)
    return c2w
