"""Undistortion of photos to those of pinhole cameras."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from kornia.geometry.calibration import distort_points
from torch import Tensor

from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.intrinsics import CameraIntrinsics
from normnex_pl.data.photos.posed import PosedPhotos

# kornia takes these numbers of coefficients; missing ones are zero.
_COEFFICIENT_COUNTS = (4, 5, 8)
# Lenses that would need a zoom beyond 2 in either direction can't be replaced by a pinhole.
_ZOOM_STEPS = np.geomspace(0.5, 2, 101)
_BISECTIONS = 40
_RADII = 33
_WHOLLY = 0.999  # of a weight of 1, in single precision


@dataclass(frozen=True)
class Undistortion:
    """Sampling grid of an undistorted picture.

    Attributes:
        pinhole: Intrinsics of the undistorted picture, which has the size of the photo.
        grid: Places in the photo, in [-1, 1] from border to border.
    """

    pinhole: CameraIntrinsics
    grid: Float[Tensor, "height width 2"]


def undistort_images(posed: PosedPhotos) -> PosedPhotos:
    """Remove the distortion of all photos; those of pinhole cameras stay as they are.

    Args:
        posed: With images, and intrinsics for their size.

    Raises:
        UserError: The coefficients of a camera would fold the picture, or leave hardly anything of it.
    """
    images, masks, pinholes = list(posed.images), list(posed.masks), list(posed.intrinsics)
    # Camera by camera, since computing the grid takes longer than resampling.
    for intrinsics in dict.fromkeys(posed.intrinsics):
        if intrinsics.is_pinhole:
            continue
        views = [index for index, other in enumerate(posed.intrinsics) if other == intrinsics]
        where = f"{posed.source}, camera of photo '{posed.files[views[0]].name}'"
        mapping = undistortion(where, intrinsics)
        for view in views:
            images[view], pinholes[view] = undistort(images[view], mapping), mapping.pinhole
            mask = masks[view]
            masks[view] = None if mask is None else undistort_mask(mask, mapping)
    return replace(posed, images=tuple(images), masks=tuple(masks), intrinsics=tuple(pinholes))


def undistortion(where: str, intrinsics: CameraIntrinsics) -> Undistortion:
    """Find the pinhole camera that replaces a lens, and compute its sampling grid.

    The pinhole keeps size, principal point and the ratio of the focal lengths. It sees as much as it can
    without seeing anything that the photo doesn't have: no black corners, which training would learn.

    Args:
        where: File and place in it, for messages.
        intrinsics: With distortion, for the size of the photo.

    Raises:
        UserError: The coefficients would fold the picture, or leave hardly anything of it.
    """
    zoom = _enclosed_zoom(where, intrinsics)
    pinhole = replace(intrinsics, fx=intrinsics.fx * zoom, fy=intrinsics.fy * zoom, distortion=())
    width, height = round(intrinsics.width), round(intrinsics.height)
    rows, columns = torch.meshgrid(
        torch.arange(height, dtype=torch.float64), torch.arange(width, dtype=torch.float64), indexing="ij"
    )
    pixels = torch.stack([columns, rows], dim=-1).reshape(-1, 2) + 0.5
    places = _distort(pixels, intrinsics, pinhole.matrix)
    grid = 2 * places / torch.tensor([width, height]) - 1
    return Undistortion(pinhole=pinhole, grid=grid.reshape(height, width, 2).float())


def undistort(
    image: UInt8[Tensor, "height width 3"], mapping: Undistortion
) -> UInt8[Tensor, "height width 3"]:
    """Resample a photo, bicubically: the picture that the pinhole of the mapping takes."""
    channels = image.movedim(-1, 0)[None].float()
    sampled = F.grid_sample(
        channels, mapping.grid[None], mode="bicubic", padding_mode="border", align_corners=False
    )
    return sampled[0].movedim(0, -1).round().clamp(0, 255).to(torch.uint8)


def undistort_mask(mask: Bool[Tensor, "height width"], mapping: Undistortion) -> Bool[Tensor, "height width"]:
    """Resample a mask: a pixel counts if all pixels do between which a bilinear filter reads it."""
    counted = F.grid_sample(
        mask[None, None].float(), mapping.grid[None], padding_mode="border", align_corners=False
    )
    return counted[0, 0] > _WHOLLY


def _distort(
    pixels: Float[Tensor, "point 2"], intrinsics: CameraIntrinsics, pinhole: Float[np.ndarray, "3 3"]
) -> Float[Tensor, "point 2"]:
    """Map pixels of a pinhole camera to the places where the lens shows the same directions.

    kornia's own `undistort_image` counts from pixel centres; points may count from anywhere, as K does.
    """
    distortion = intrinsics.distortion
    count = next(number for number in _COEFFICIENT_COUNTS if len(distortion) <= number)
    coefficients = pixels.new_tensor([*distortion, *[0.0] * (count - len(distortion))])
    K = pixels.new_tensor(intrinsics.matrix)
    return distort_points(pixels, K, coefficients, pixels.new_tensor(pinhole))


def _enclosed_zoom(where: str, intrinsics: CameraIntrinsics) -> float:
    """Return the smallest factor on the focal lengths that leaves all pixels inside the photo."""
    width, height = round(intrinsics.width), round(intrinsics.height)
    border = _border_pixels(width, height)
    K = intrinsics.matrix
    centre = torch.tensor(K[:2, 2])

    def encloses(zoom: float) -> bool:
        # Directions that a zoomed pinhole sees, as pixels of the unzoomed one.
        places = _distort((border - centre) / zoom + centre, intrinsics, K)
        limits = torch.tensor([width - 0.5, height - 0.5]) + 1e-6
        return bool(((places >= 0.5 - 1e-6) & (places <= limits)).all())

    found = [encloses(zoom) for zoom in _ZOOM_STEPS]
    # From the largest zoom down to where the border leaves the photo: beyond a fold it may come back.
    first = len(found) - found[::-1].index(False) if False in found else 0
    if first in (0, len(found)) or _folds((border - centre) / _ZOOM_STEPS[first] + centre, intrinsics):
        coefficients = ", ".join(f"{value:g}" for value in intrinsics.distortion)
        raise UserError(
            f"{where}: expected the distortion of a lens, found coefficients that a picture of "
            f"{width}x{height} pixels can't be freed from ({coefficients}). Undistort the photos "
            "with the program that estimated them, or estimate the poses again."
        )
    low, high = _ZOOM_STEPS[first - 1], _ZOOM_STEPS[first]
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if encloses(middle) else (middle, high)
    return float(high)


def _folds(border: Float[Tensor, "point 2"], intrinsics: CameraIntrinsics) -> bool:
    """Return whether a straight line from the centre to the border ever turns back in the photo."""
    K = intrinsics.matrix
    centre = torch.tensor(K[:2, 2])
    radii = torch.linspace(0, 1, _RADII, dtype=border.dtype)[:, None, None]
    pixels = ((border - centre) * radii + centre).reshape(-1, 2)
    offsets = _distort(pixels, intrinsics, K).reshape(_RADII, -1, 2) - centre
    return not bool((offsets.norm(dim=-1).diff(dim=0) > 0).all())


def _border_pixels(width: int, height: int) -> Float[Tensor, "point 2"]:
    """Return the centres of the pixels along the four borders."""
    columns = torch.arange(width, dtype=torch.float64) + 0.5
    rows = torch.arange(height, dtype=torch.float64) + 0.5
    horizontal = [torch.stack([columns, torch.full_like(columns, y)], dim=1) for y in (0.5, height - 0.5)]
    vertical = [torch.stack([torch.full_like(rows, x), rows], dim=1) for x in (0.5, width - 0.5)]
    return torch.cat([*horizontal, *vertical])
