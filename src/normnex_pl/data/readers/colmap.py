"""Scenes with a COLMAP model: photos, and ``cameras``, ``images`` and ``points3D``, binary or as text.

The model is in ``dense/sparse/`` (photos in ``dense/images/``, as COLMAP's image_undistorter writes them),
or else in ``sparse/<n>/`` or ``sparse/`` (photos in ``images/`` or, smaller, ``images_<n>/``). Of several
the largest is read, with a warning. Photos that the model doesn't have are left out. Where a folder has both
forms of the files the binary one is read.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Float
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.folders import photos_below
from normnex_pl.data.photos.intrinsics import CameraIntrinsics, check_intrinsics, in_picture
from normnex_pl.data.photos.posed import PosedPhotos
from normnex_pl.data.planes.percentiles import Percentiles
from normnex_pl.data.poses import check_pose
from normnex_pl.data.readers.base import SceneReader
from normnex_pl.data.readers.bounds import depths_from, robust_bounds
from normnex_pl.data.readers.colmap_binary import read_binary
from normnex_pl.data.readers.colmap_model import (
    ModelFiles,
    PosedImage,
    SparsePoints,
    SparseReconstruction,
    c2w_of,
)
from normnex_pl.data.readers.colmap_places import (
    ModelPlace,
    choose_model,
    model_places,
    named_place,
    possible_places,
)
from normnex_pl.data.readers.colmap_text import read_text
from normnex_pl.data.readers.named_photos import check_listed_once, find_photos

logger = logging.getLogger(__name__)

# In the order of preference.
_FORMS = {".bin": read_binary, ".txt": read_text}
# Fewer tracks than this, as in models whose points were made elsewhere, say nothing about what a view sees.
_FEWEST_TRACKS = 8


class ColmapReader(SceneReader):
    """Read a sparse model of COLMAP; photos are undistorted where their camera isn't a pinhole.

    Args:
        percentiles: Of the depths of the points that a view sees, between which its bounds lie.
        model: Folder of the model below the scene's, such as ``sparse/1``; None takes the largest.
    """

    def __init__(
        self,
        percentiles: Percentiles = Percentiles(),  # noqa: B008 (frozen)
        model: str | None = None,
    ) -> None:
        self.percentiles = percentiles
        self.model = model

    @property
    @override
    def looks_for(self) -> str:
        return "a COLMAP model in sparse/<n>/, sparse/ or dense/sparse/"

    @override
    def recognises(self, root: Path) -> bool:
        return bool(model_places(root)) or (self.model is not None and (root / self.model).is_dir())

    @override
    def files(self, root: Path) -> Iterable[Path]:
        # Of incomplete models too: what appears may change which one is read.
        places = [place for group in possible_places(root) for place in group]
        if self.model is not None and (named := named_place(root, self.model)):
            places.append(named)
        files = {path for place in places for files in place.forms() for path in files}
        yield from (path for path in files if path.is_file())
        yield from photos_below(root)

    @override
    def read(self, root: Path, width: int | None) -> PosedPhotos:
        place = choose_model(root, self.model)
        if place is None:
            raise UserError(
                f"{root}: expected a COLMAP model (cameras, images and points3D, .bin or .txt) in "
                "dense/sparse/, sparse/0/ or sparse/, found none. Check the path of the scene, or "
                "estimate poses from its photos first."
            )
        source = place.files()
        model = read_model(place.folder)
        names = [image.name for image in model.images]
        found = find_photos(place.photos, names, width)
        check_listed_once(source.images, names, found)
        order = sorted(range(len(found)), key=found.__getitem__)
        images = [model.images[i] for i in order]
        intrinsics = tuple(_intrinsics(source.cameras, model, image) for image in images)
        c2w = np.stack([_checked_pose(source.images, image) for image in images])
        bounds = [
            robust_bounds(source.points, image.name, depths_from(pose, points), self.percentiles)
            for image, pose, camera in zip(images, c2w, intrinsics, strict=True)
            for points in [visible_points(model.points, image, pose, camera)]
        ]
        return PosedPhotos(
            kind="COLMAP",
            root=root,
            source=source.images,
            files=tuple(found[i] for i in order),
            intrinsics=intrinsics,
            c2w=c2w,
            bounds=np.array(bounds),
            points=model.points.xyz,
        )


def read_model(folder: Path) -> SparseReconstruction:
    """Read the model in a folder, from binary files if all of them are there.

    Raises:
        UserError: A file is missing or damaged, or the model has no images.
    """
    files = ModelPlace(".", folder).files()
    for path in files:
        if not path.exists():
            raise UserError(
                f"{path}: expected this file of a COLMAP model, found no such file. Copy the model again, or "
                "export it again."
            )
    model = _FORMS[files.images.suffix](files)
    if not model.images:
        raise UserError(
            f"{files.images}: expected the poses of photos, found none. Estimate the poses again."
        )
    identifier, repeats = Counter(image.identifier for image in model.images).most_common(1)[0]
    if repeats > 1:
        raise UserError(
            f"{files.images}: expected images with different numbers, found {identifier} {repeats} times. "
            "Export the model again."
        )
    _warn_of_strangers(files, model)
    return model


def _warn_of_strangers(files: ModelFiles, model: SparseReconstruction) -> None:
    """Log a warning if points were seen by images that the model lacks, as where a file was cut off."""
    strangers = np.setdiff1d(model.points.observer, [image.identifier for image in model.images])
    if len(strangers):
        logger.warning(
            "%s: %d images are missing that points of %s were seen by (such as number %d); were they removed "
            "by hand, or was the file cut off?",
            files.images,
            len(strangers),
            files.points.name,
            strangers[0],
        )


def visible_points(
    points: SparsePoints, image: PosedImage, c2w: Float[np.ndarray, "3 4"], intrinsics: CameraIntrinsics
) -> Float[np.ndarray, "visible 3"]:
    """Return the points that were triangulated from an image.

    Without tracks, as points of other origin have none, all that project into the picture are taken.
    """
    # Once each: a photo may have two keypoints of the same point.
    tracked = points.xyz[np.unique(points.observed[points.observer == image.identifier])]
    return tracked if len(tracked) >= _FEWEST_TRACKS else points.xyz[in_picture(points.xyz, c2w, intrinsics)]


def _intrinsics(path: Path, model: SparseReconstruction, image: PosedImage) -> CameraIntrinsics:
    """Return the camera of an image, checked."""
    intrinsics = model.cameras.get(image.camera)
    if intrinsics is None:
        raise UserError(
            f"{path}: expected a camera {image.camera}, which took '{image.name}', found the cameras "
            f"{', '.join(map(str, sorted(model.cameras))) or 'none'}. Take all files from one model."
        )
    check_intrinsics(f"{path}, camera {image.camera}", intrinsics)
    return intrinsics


def _checked_pose(path: Path, image: PosedImage) -> Float[np.ndarray, "3 4"]:
    """Return the pose of an image, whose quaternion is nearly of length 1."""
    length = math.hypot(*image.quaternion)
    # Written so that NaN fails; zeros would pass for a rotation later.
    if not 0.9 < length < 1.1:
        raise UserError(
            f"{path}, photo '{image.name}': expected a quaternion of length 1, found one of length "
            f"{length:g}. Estimate the poses again."
        )
    c2w = c2w_of(image)
    check_pose(f"{path}, photo '{image.name}'", c2w)
    return c2w
