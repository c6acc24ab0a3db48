"""Photos with their cameras: the record that all steps from a scene's files to training share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from normnex_pl.data.photos.intrinsics import CameraIntrinsics
from normnex_pl.data.poses import relative_poses


@dataclass(frozen=True)
class Split:
    """Division of the views into those to learn from and those held out.

    Attributes:
        train: Indices into the sorted views.
        test: Indices into the sorted views; none of them in ``train``.
    """

    train: tuple[int, ...]
    test: tuple[int, ...]


@dataclass(frozen=True)
class PosedPhotos:
    """Photos with their cameras.

    A reader fills in everything but the pixels, in the frame and units of its files. Each step of
    `normnex_pl.data.scene.load.load_scene` then returns the record with some fields replaced. It is kept
    apart from `Scene`, which promises what photos only become: one size, pinhole cameras, the world's frame.

    Attributes:
        kind: Name of the scene's format.
        root: The scene's folder.
        source: The file that the cameras come from, for messages.
        files: The photos, sorted.
        intrinsics: Of each photo: for whatever size the files give them, later for that of the images.
        c2w: Camera to world in OpenCV axes (right, down, forward).
        bounds: Depths of the nearest and the farthest content of each view.
        split: Training and held-out views, if the files themselves list them.
        points: Of a sparse reconstruction, in the frame of the cameras; None if the files have none.
        matched: Whether the points are those at which the photos agree, for lack of a reconstruction: fewer
            than there could be.
        planes_unit: The unit of ``planes.txt`` beside such files: that of the files themselves, or that of
            the scene's world, where 0.75 x the smallest near bound is 1.
        names: Of the views; empty until `name_views`.
        images: sRGB bytes of each photo; empty until they are loaded.
        named_masks: For each photo the file of its mask, where the scene's files name it; empty if they name
            none.
        mask_files: Of all masks that were loaded.
        masks: Which pixels of each photo count, None for all of them; empty until they are loaded.
        conversion: How wide pixels became bytes; empty where all photos had bytes.
    """

    kind: str
    root: Path
    source: Path
    files: tuple[Path, ...]
    intrinsics: tuple[CameraIntrinsics, ...]
    c2w: Float[np.ndarray, "view 3 4"]
    bounds: Float[np.ndarray, "view 2"]
    split: Split | None = None
    points: Float[np.ndarray, "point 3"] | None = None
    matched: bool = False
    planes_unit: Literal["files", "world"] = "files"
    names: tuple[str, ...] = ()
    images: tuple[UInt8[Tensor, "_ _ 3"], ...] = ()
    named_masks: tuple[Path | None, ...] = ()
    mask_files: tuple[Path, ...] = ()
    masks: tuple[Bool[Tensor, "_ _"] | None, ...] = ()
    conversion: str = ""

    @property
    def points_origin(self) -> str:
        """Clause about the points, for people."""
        return "at which the photos agree" if self.matched else "that training views see"

    @property
    def K(self) -> Float[np.ndarray, "view 3 3"]:
        """Intrinsic matrices, without distortion."""
        return np.stack([intrinsics.matrix for intrinsics in self.intrinsics])

    @property
    def width(self) -> int:
        """Width of the photos in pixels, which are of one size once they are cropped."""
        return round(self.intrinsics[0].width)

    @property
    def height(self) -> int:
        """Height of the photos in pixels, which are of one size once they are cropped."""
        return round(self.intrinsics[0].height)

    def only(self, indices: Sequence[int]) -> PosedPhotos:
        """Return some of the photos, with all points; the files' own split no longer applies."""
        chosen = list(indices)
        return replace(
            self,
            files=tuple(self.files[index] for index in chosen),
            intrinsics=tuple(self.intrinsics[index] for index in chosen),
            c2w=self.c2w[chosen],
            bounds=self.bounds[chosen],
            split=None,
            names=tuple(self.names[index] for index in chosen if self.names),
            images=tuple(self.images[index] for index in chosen if self.images),
            named_masks=tuple(self.named_masks[index] for index in chosen if self.named_masks),
            masks=tuple(self.masks[index] for index in chosen if self.masks),
        )

    def seen_from(self, reference: int) -> PosedPhotos:
        """Return the photos in the frame of one of the cameras."""
        rotation, position = self.c2w[reference, :, :3], self.c2w[reference, :, 3]
        return replace(
            self,
            c2w=relative_poses(self.c2w, reference),
            points=None if self.points is None else (self.points - position) @ rotation,
        )


def view_keys(files: Sequence[Path]) -> tuple[str, ...]:
    """Return the keys by which lists of a scene name its photos: file names without endings.

    Where names repeat, as in the folders of several cameras, the path below the folder common to all.
    """
    stems = [path.stem for path in files]
    if len(set(stems)) == len(stems):
        return tuple(stems)
    common = os.path.commonpath([path.parent for path in files])
    return tuple(path.relative_to(common).with_suffix("").as_posix() for path in files)


def name_views(posed: PosedPhotos) -> PosedPhotos:
    """Name the views by their keys, made valid as file names."""
    return replace(posed, names=tuple(key.replace("/", "_") for key in view_keys(posed.files)))
