"""What the views see, as depths with weights: the evidence by which planes are placed."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Integer, UInt8
from torch import Tensor

from normnex_pl.core.types import SeenDepths
from normnex_pl.data.photos.intrinsics import CameraIntrinsics, in_picture
from normnex_pl.data.photos.masks import shrink_mask
from normnex_pl.data.photos.posed import PosedPhotos

# Cells across a photo and down, whose contrast their points share; pixels along a cell, at most.
_COLUMNS, _ROWS, _PIXELS = 32, 24, 8
# More points change nothing.
_MOST_POINTS = 20_000


def seen_depths(views: PosedPhotos) -> SeenDepths:
    """Return the depths of the points, weighted by the contrast of what the views see there.

    A shift by d pixels changes a photo by about d times its gradient, so that the squared error of planes
    beside a surface grows with the squared gradient. Points are no even sample of it: they are dense where
    features are distinct. So each cell of each photo shares its squared gradients among the points in it, and
    cells without points don't count. Neither do gradients of pixels that a mask ignores.

    Args:
        views: In the frame of the reference view. Without their photos every cell has the same contrast.
    """
    points = np.zeros((0, 3)) if views.points is None else views.points
    points = points[(points[:, 2] > 0) & np.isfinite(points).all(axis=1)]
    points = points[:: 1 + len(points) // _MOST_POINTS]
    weights = np.zeros(len(points))
    for index, intrinsics in enumerate(views.intrinsics):
        inside = in_picture(points, views.c2w[index], intrinsics)
        cells = _cells(points[inside], views.c2w[index], intrinsics)
        mask = views.masks[index] if views.masks else None
        contrast = _contrast(views.images[index], mask) if views.images else np.ones(_ROWS * _COLUMNS)
        weights[inside] += (contrast / np.maximum(1, np.bincount(cells, minlength=len(contrast))))[cells]
    kept = weights > 0
    depths, weights = points[kept, 2], weights[kept] / max(weights.sum(), 1e-300)
    return SeenDepths(
        torch.from_numpy(depths).float(), torch.from_numpy(weights).float(), views.points_origin
    )


def _cells(
    points: Float[np.ndarray, "point 3"], c2w: Float[np.ndarray, "3 4"], intrinsics: CameraIntrinsics
) -> Integer[np.ndarray, "point"]:
    """Return the cell in which a camera sees each point, row by row."""
    uvw = (points - c2w[:, 3]) @ c2w[:, :3] @ intrinsics.matrix.T
    share = uvw[:, :2] / uvw[:, 2:] / [intrinsics.width, intrinsics.height]
    column, row = np.clip(share * [_COLUMNS, _ROWS], 0, [_COLUMNS - 1, _ROWS - 1]).astype(int).T
    return row * _COLUMNS + column


def _contrast(
    image: UInt8[Tensor, "height width 3"], mask: Bool[Tensor, "height width"] | None
) -> Float[np.ndarray, "cell"]:
    """Return the mean square of differences between neighbouring pixels that count, in each cell."""
    whole = image.movedim(-1, 0)[None].float() / 255
    size = (min(whole.shape[2], _ROWS * _PIXELS) + 1, min(whole.shape[3], _COLUMNS * _PIXELS) + 1)
    small = F.interpolate(whole, size, mode="area")
    square = small.diff(dim=3)[:, :, 1:].square() + small.diff(dim=2)[:, :, :, 1:].square()
    if mask is not None:
        counts = shrink_mask(mask, (size[1], size[0]))
        square *= counts[1:, 1:] & counts[1:, :-1] & counts[:-1, 1:]
    pooled = F.adaptive_avg_pool2d(square.mean(dim=1, keepdim=True), (_ROWS, _COLUMNS))
    return pooled.flatten().double().numpy()
