"""Writing a prepared scene: undistorted photos and masks, poses in NeX's files, and ``sparse/0``."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from tqdm import tqdm

from normnex_pl.capture.working_copies import mask_of
from normnex_pl.data.photos.formats import open_photo
from normnex_pl.data.photos.intrinsics import CameraIntrinsics
from normnex_pl.data.photos.mask_files import MASKS
from normnex_pl.data.photos.masks import read_mask
from normnex_pl.data.photos.undistortion import Undistortion, undistort, undistort_mask, undistortion
from normnex_pl.data.readers.colmap import ColmapReader

# Errors are about the noise of the sensor; what JPEG loses is lost for training.
_QUALITY = 95


def write_scene(scene: Path, model: Path, intrinsics: CameraIntrinsics, photos: Mapping[str, Path]) -> None:
    """Write all files of a scene.

    The rows of ``poses_bounds.npy`` are those of NeX: 3x4 matrices with the columns down, right, backward and
    position, and two depths, which are LLFF's percentiles (0.1 and 99.9) of the depths of the points that a
    view sees. They come from the model as the reader of COLMAP scenes reads it.

    Args:
        scene: An existing, empty folder.
        model: Folder of the COLMAP model, with a pinhole camera and the names below.
        intrinsics: Of the photos, with the distortion that is removed.
        photos: Working copies, all of one size, by the names that they get in ``images/``; a mask beside one
            gets that name and ``.png`` in ``masks/``.
    """
    shutil.copytree(model, scene / "sparse" / "0")
    _write_photos(scene / "images", intrinsics, photos)
    posed = ColmapReader().read(scene, None)
    np.save(scene / "poses_bounds.npy", pose_rows(posed.c2w, posed.bounds))
    pinhole = posed.intrinsics[0]
    values = [pinhole.height, pinhole.width, pinhole.fx, pinhole.fy, pinhole.cx, pinhole.cy]
    np.save(scene / "hwf_cxcy.npy", np.array(values, dtype=np.float64))


def pose_rows(
    c2w: Float[np.ndarray, "view 3 4"], bounds: Float[np.ndarray, "view 2"]
) -> Float[np.ndarray, "view 14"]:
    """Return the rows of NeX's ``poses_bounds.npy``.

    Args:
        c2w: Camera to world in OpenCV axes (right, down, forward).
        bounds: Near and far depth.
    """
    right, down, forward, position = np.moveaxis(c2w, 2, 0)
    matrices = np.stack([down, right, -forward, position], axis=2)
    return np.concatenate([matrices.reshape(len(c2w), 12), bounds], axis=1)


def _write_photos(folder: Path, intrinsics: CameraIntrinsics, photos: Mapping[str, Path]) -> None:
    """Write the undistorted photos."""
    folder.mkdir()
    mapping = None if intrinsics.is_pinhole else undistortion("the camera", intrinsics)
    for name, path in tqdm(photos.items(), "  scene", unit="photo"):
        with open_photo(path) as image:
            pixels = torch.from_numpy(np.array(image))
        if mapping is not None:
            pixels = undistort(pixels, mapping)
        Image.fromarray(pixels.numpy()).save(folder / name, quality=_QUALITY, subsampling=0)
        if mask_of(path).exists():
            _write_mask(folder.parent / MASKS, name, path, mapping)


def _write_mask(folder: Path, name: str, copy: Path, mapping: Undistortion | None) -> None:
    """Write the undistorted mask of a photo."""
    folder.mkdir(exist_ok=True)
    mask = torch.from_numpy(read_mask(mask_of(copy)))
    if mapping is not None:
        mask = undistort_mask(mask, mapping)
    Image.fromarray(mask.numpy()).save(folder / f"{name}.png")
