"""The files of a scene: LLFF poses and photos, and the truth of held-out views."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cameras import Camera

JPEG = {"quality": 94, "subsampling": 0, "optimize": True, "progressive": True}
DEPTH_MANTISSA_BITS = 16
NORMAL_STEPS = 512  # multiples of 1/512: an error of at most 0.1 degrees, and better compression


def to_srgb(linear: NDArray[np.floating]) -> NDArray[np.float64]:
    """Convert linear values to sRGB in [0, 1], clipped."""
    value = np.clip(np.asarray(linear, np.float64), 0, 1)
    return np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)


def to_bytes(linear: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Convert linear values to 8-bit sRGB."""
    return np.rint(255 * to_srgb(linear)).astype(np.uint8)


def round_mantissa(value: NDArray[np.floating], bits: int) -> NDArray[np.float32]:
    """Round float32 values to fewer bits of mantissa, which compresses better.

    The relative error is at most 2**-(bits + 1).
    """
    drop = 23 - bits
    raw = np.ascontiguousarray(value, np.float32).view(np.uint32)
    half = np.uint32(1 << (drop - 1))
    return ((raw + half) & np.uint32(0xFFFFFFFF << drop & 0xFFFFFFFF)).view(np.float32)


def pose_row(camera: Camera, near: float, far: float) -> NDArray[np.float64]:
    """Return a row of `poses_bounds.npy`.

    Args:
        camera: the camera.
        near: smallest depth, world units.
        far: largest depth, world units.

    Returns:
        (17,): the 3x5 matrix [down, right, backward, position, (height, width, focal)] row by row, and the
        two bounds.
    """
    right, down, forward = camera.rotation.T
    size = (camera.height, camera.width, camera.focal)
    matrix = np.column_stack([down, right, -forward, camera.position, size])
    return np.append(matrix.ravel(), (near, far))


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file under a temporary name and rename it, so that no partial file has its name."""
    partial = path.with_name(f"partial_{path.name}")
    write(partial)
    os.replace(partial, path)


def save_photo(path: Path, linear: NDArray[np.float32]) -> None:
    """Write linear radiance (H, W, 3) as an sRGB JPEG without chroma subsampling."""
    photo = Image.fromarray(to_bytes(linear))
    write_whole(path, lambda partial: photo.save(partial, **JPEG))


def save_truth(
    path: Path,
    *,
    full: NDArray[np.float32],
    diffuse: NDArray[np.float32],
    depth: NDArray[np.float64],
    normals: NDArray[np.float64],
    mask: NDArray[np.int64],
    layers: Mapping[str, NDArray[np.float32]],
    maps: Mapping[str, NDArray[np.uint8]],
) -> None:
    """Write the truth of one view: the format is described in `scenes/demo/README.md`.

    Args:
        path: of the `.npz` file.
        full: (H, W, 3), linear radiance.
        diffuse: (H, W, 3), its diffuse part.
        depth: (H, W), along the forward axis, world units.
        normals: (H, W, 3), unit, OpenCV camera axes.
        mask: (H, W), labels.
        layers: further parts of the light, each (H, W, 3), linear radiance, by their keys.
        maps: further maps, each (H, W), by their keys.
    """
    diffuse_bytes = to_bytes(diffuse)
    stepped = (np.rint(normals * NORMAL_STEPS) / NORMAL_STEPS).astype(np.float16)
    arrays = {
        "normals": np.asfortranarray(stepped),  # one component after the other: compresses better
        "depth": round_mantissa(depth, DEPTH_MANTISSA_BITS),
        "diffuse": diffuse_bytes,
        "specular": to_bytes(full).astype(np.int16) - diffuse_bytes,
        "mask": mask.astype(np.uint8),
        **{key: np.asfortranarray(layer.astype(np.float16)) for key, layer in layers.items()},
        **maps,
    }
    write_whole(path, lambda partial: np.savez_compressed(partial, **arrays))
