"""From a scene's folder to a `Scene`, step by step.

The world of the files is moved and scaled, never bent: distances are divided by 0.75 x the smallest near
bound of all views, and one of the training cameras becomes the origin. Computed in float64, stored in
float32.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from normnex_pl.core.files import folder_name
from normnex_pl.core.types import Camera, Scene, View
from normnex_pl.data.photos.crop import crop_images
from normnex_pl.data.photos.load import load_images
from normnex_pl.data.photos.masks import check_masks, load_masks
from normnex_pl.data.photos.posed import PosedPhotos, Split, name_views
from normnex_pl.data.photos.undistortion import undistort_images
from normnex_pl.data.planes.choice import PlaneChoice, PlaneOverrides, mpi_geometry
from normnex_pl.data.planes.place import place_planes
from normnex_pl.data.planes.placement import PlanePlacement, PlanesFromBounds
from normnex_pl.data.planes.planes_file import read_planes
from normnex_pl.data.readers.base import SceneReader, check_folder
from normnex_pl.data.scene.check import check_posed
from normnex_pl.data.scene.normalise import keep_seen_points, normalise, scene_unit
from normnex_pl.data.scene.precision import warn_of_rounding
from normnex_pl.data.scene.split import read_split


def load_scene(
    root: Path,
    width: int | None,
    reader: SceneReader,
    placement: PlanePlacement = PlanesFromBounds(),  # noqa: B008 (frozen)
    overrides: PlaneOverrides = PlaneOverrides(),  # noqa: B008 (frozen)
    holdout: int = 8,
) -> Scene:
    """Load a scene: its cameras and photos, which become pinhole cameras of one size, and its planes.

    Args:
        root: The scene's folder.
        width: Wanted width of the photos in pixels; None keeps their own.
        reader: Of the scene's files.
        placement: Decides where the planes stand, where nothing is given.
        overrides: Where the planes shall stand; takes precedence over ``planes.txt``.
        holdout: Every ``holdout``-th photo is held out, beginning with the first, unless the scene has lists
            of its own.

    Returns:
        The scene, in the frame of its reference camera.

    Raises:
        UserError: A file is missing, damaged or contradicts another; the message names it.
    """
    check_folder(root)
    posed = name_views(reader.read(root, width))
    check_posed(posed)
    warn_of_rounding(posed)
    split = read_split(posed, holdout)

    posed = load_images(posed, width)
    posed = load_masks(posed)
    posed = undistort_images(posed)
    posed = crop_images(posed)
    check_masks(posed)

    unit = scene_unit(posed.bounds)
    posed = normalise(posed, unit)
    posed = keep_seen_points(posed, split.train)

    planes_unit = unit if posed.planes_unit == "files" else 1.0
    given = {"data.planes": overrides, "planes.txt": read_planes(root, posed.width, planes_unit)}
    choice = place_planes(posed.only(split.train), placement, given)
    return _finished(posed, split, choice, unit, planes_unit)


def _finished(
    posed: PosedPhotos, split: Split, choice: PlaneChoice, unit: float, planes_unit: float
) -> Scene:
    """Assemble the scene, in whose world the reference camera is the origin."""
    reference = split.train[choice.reference]
    world = posed.seen_from(reference)
    views = tuple(
        View(name=name, camera=_camera(K, c2w, image), image=image, mask=mask)
        for name, K, c2w, image, mask in zip(
            world.names, world.K, world.c2w, world.images, world.masks, strict=True
        )
    )
    return Scene(
        name=folder_name(posed.root),
        root=posed.root,
        views=views,
        train=split.train,
        test=split.test,
        reference=reference,
        geometry=mpi_geometry(views[reference].camera, choice),
        source_from_world=torch.from_numpy(_source_from_world(posed.c2w[reference], unit)).float(),
        points=None if world.points is None else torch.from_numpy(world.points).float(),
        seen=choice.seen,
        reasons=choice.reasons,
        planes_unit=planes_unit,
        kind=posed.kind,
        photos=posed.files,
        masks=posed.mask_files,
        conversion=posed.conversion,
    )


def _source_from_world(c2w: Float[np.ndarray, "3 4"], unit: float) -> Float[np.ndarray, "4 4"]:
    """Return the matrix that takes points of the scene's world back to the frame and units of its files.

    Args:
        c2w: Of the reference camera, in the frame of the files and units of the world.
        unit: Length in the files that is 1 in the world.
    """
    matrix = np.eye(4)
    matrix[:3] = c2w * unit
    return matrix


def _camera(
    K: Float[np.ndarray, "3 3"], c2w: Float[np.ndarray, "3 4"], image: UInt8[Tensor, "height width 3"]
) -> Camera:
    """Return a camera in float32 for the size of its image."""
    height, width, _ = image.shape
    return Camera(
        K=torch.from_numpy(K).float(), c2w=torch.from_numpy(c2w).float(), width=width, height=height
    )
