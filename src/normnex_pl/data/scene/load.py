"""From what a reader found in a scene's files to photos of one size with pinhole cameras, and to a `Scene`.

Every reader ends here. The photos are loaded, scaled to the wanted width, undistorted where their lens
isn't a pinhole, and cropped to the size that they have in common.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import Scene
from normnex_pl.data.photos.images import load_photos
from normnex_pl.data.photos.lenses import (
    CameraIntrinsics,
    check_aspect,
    intrinsic_matrix,
    undistort,
    undistortion,
)
from normnex_pl.data.planes.choice import PlaneOverrides
from normnex_pl.data.planes.placement import PlanePlacement, PlanesFromBounds
from normnex_pl.data.scene.build import Capture, Split, build_scene
from normnex_pl.data.scene.sidecars import read_planes, read_split

logger = logging.getLogger(__name__)

# Cameras of a rig differ by a few percent; more than this would throw too much of the photos away.
_SMALLEST_CROP = 0.85


@dataclass(frozen=True)
class PosedPhotos:
    """What the files of a scene say about its photos, in the files' own frame and units.

    Attributes:
        kind: Name of the scene's format.
        root: The scene's folder.
        source: The file that the cameras come from, for messages.
        files: The photos, sorted.
        lenses: Of each photo, for whatever size the files give them.
        c2w: Camera to world in OpenCV axes.
        bounds: Depths of the nearest and the farthest content of each view.
        split: Which views the files themselves hold out, if they say so.
        planes_unit: What 1 in the scene's world is in ``planes.txt``: 1 where that file is written in units
            of the world, `scene_unit` where it is in the files' own.
        points: Of a sparse reconstruction, in the frame of the cameras; None if the files have none.
    """

    kind: str
    root: Path
    source: Path
    files: tuple[Path, ...]
    lenses: tuple[CameraIntrinsics, ...]
    c2w: Float[np.ndarray, "view 3 4"]
    bounds: Float[np.ndarray, "view 2"]
    split: Split | None
    planes_unit: float
    points: Float[np.ndarray, "point 3"] | None = None


def view_keys(files: Sequence[Path]) -> tuple[str, ...]:
    """What lists of a scene may call its photos: their names without endings.

    Where names repeat, as in the folders of several cameras, the path below the folder common to all.
    """
    stems = [path.stem for path in files]
    if len(set(stems)) == len(stems):
        return tuple(stems)
    common = os.path.commonpath([path.parent for path in files])
    return tuple(path.relative_to(common).with_suffix("").as_posix() for path in files)


def load_scene(
    posed: PosedPhotos,
    width: int | None,
    holdout: int = 8,
    overrides: PlaneOverrides | None = None,
    placement: PlanePlacement | None = None,
) -> Scene:
    """Load the photos and build the scene.

    Args:
        posed: What a reader found.
        width: Wanted width of the photos in pixels; None keeps their own.
        holdout: Every ``holdout``-th photo is held out, beginning with the first, unless the scene has lists
            of its own.
        overrides: Where the planes shall stand; stronger than ``planes.txt``.
        placement: Decides where neither of these says; None takes the bounds of the view in the middle.

    Returns:
        The scene, in the frame of its reference camera.

    Raises:
        UserError: A file is missing, damaged or contradicts another; the message names it.
    """
    keys = view_keys(posed.files)
    split = read_split(posed.root, keys, holdout, posed.split)
    images, K = _load_pinholes(posed, width)
    images, K = _crop_to_one_size(posed.root, images, K)
    capture = Capture(
        root=posed.root,
        source=posed.source,
        names=tuple(key.replace("/", "_") for key in keys),
        images=images,
        K=K,
        c2w=posed.c2w,
        bounds=posed.bounds,
        points=posed.points,
    )
    given = {
        "data.planes": overrides or PlaneOverrides(),
        "planes.txt": read_planes(posed.root, images[0].shape[1], posed.planes_unit),
    }
    scene = build_scene(capture, split, placement or PlanesFromBounds(), given)
    return replace(scene, kind=posed.kind, planes_unit=posed.planes_unit)


def _load_pinholes(
    posed: PosedPhotos, width: int | None
) -> tuple[tuple[UInt8[Tensor, "_ _ 3"], ...], Float[np.ndarray, "view 3 3"]]:
    """Load the photos and remove their distortion; sizes may differ where the lenses' sizes do."""
    images = _load_by_size(posed, width)
    K = np.zeros((len(images), 3, 3))
    # Lens by lens, since finding where pixels come from takes longer than moving them.
    for lens in dict.fromkeys(posed.lenses):
        views = [index for index, other in enumerate(posed.lenses) if other == lens]
        height, loaded_width, _ = images[views[0]].shape
        check_aspect(str(posed.source), lens, loaded_width, height)
        if lens.is_pinhole:
            K[views] = intrinsic_matrix(lens, loaded_width, height)
            continue
        where = f"{posed.source}, camera of photo '{posed.files[views[0]].name}'"
        mapping = undistortion(where, lens, loaded_width, height)
        K[views] = mapping.K
        for view in views:
            images[view] = undistort(images[view], mapping)
    return tuple(images), K


def _load_by_size(posed: PosedPhotos, width: int | None) -> list[UInt8[Tensor, "_ _ 3"]]:
    """Load the photos; those whose lenses are given for one size must be of one size."""
    sizes = [(lens.width, lens.height) for lens in posed.lenses]
    loaded: dict[int, Tensor] = {}
    for size in dict.fromkeys(sizes):
        views = [index for index, other in enumerate(sizes) if other == size]
        photos = load_photos([posed.files[view] for view in views], width)
        loaded.update(zip(views, photos, strict=True))
    return [loaded[view] for view in range(len(sizes))]


def _crop_to_one_size(
    root: Path, images: tuple[UInt8[Tensor, "_ _ 3"], ...], K: Float[np.ndarray, "view 3 3"]
) -> tuple[tuple[UInt8[Tensor, "_ _ 3"], ...], Float[np.ndarray, "view 3 3"]]:
    """Cut equal borders off photos that are a little larger than the smallest height and width.

    Raises:
        UserError: Some photos would lose too much by that.
    """
    sizes = Counter((image.shape[1], image.shape[0]) for image in images)
    if len(sizes) <= 1:
        return images, K
    width, height = (min(size[axis] for size in sizes) for axis in (0, 1))
    for size in sizes:
        if width < _SMALLEST_CROP * size[0] or height < _SMALLEST_CROP * size[1]:
            found = ", ".join(f"{w}x{h} ({count})" for (w, h), count in sizes.most_common())
            raise UserError(
                f"{root}: expected photos of one size, or of sizes that differ by less than "
                f"{1 - _SMALLEST_CROP:.0%}, found {found}. Keep the photos of one camera, held one way."
            )
    logger.info("%s: photos of %d sizes are cropped to %dx%d pixels", root, len(sizes), width, height)
    corners = [((image.shape[1] - width) // 2, (image.shape[0] - height) // 2) for image in images]
    cropped = tuple(
        image[top : top + height, left : left + width].clone()
        for image, (left, top) in zip(images, corners, strict=True)
    )
    K = K.copy()
    K[:, :2, 2] -= np.array(corners)
    return cropped, K
