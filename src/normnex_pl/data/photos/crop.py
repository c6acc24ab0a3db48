"""Cropping of photos of nearly one size to one size."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace

from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.posed import PosedPhotos

logger = logging.getLogger(__name__)

# Cameras of a rig differ by a few percent; a smaller crop would discard too much of the photos.
_SMALLEST_CROP = 0.85


def crop_images(posed: PosedPhotos) -> PosedPhotos:
    """Crop photos about their centres to the smallest height and width.

    Args:
        posed: With images.

    Raises:
        UserError: Some photos would lose too much.
    """
    sizes = Counter((image.shape[1], image.shape[0]) for image in posed.images)
    if len(sizes) <= 1:
        return posed
    width, height = (min(size[axis] for size in sizes) for axis in (0, 1))
    for size in sizes:
        if width < _SMALLEST_CROP * size[0] or height < _SMALLEST_CROP * size[1]:
            found = ", ".join(f"{w}x{h} ({count})" for (w, h), count in sizes.most_common())
            raise UserError(
                f"{posed.root}: expected photos of one size, or of sizes that differ by less than "
                f"{1 - _SMALLEST_CROP:.0%}, found {found}. Keep the photos of one camera, held one way."
            )
    logger.info("%s: photos of %d sizes are cropped to %dx%d pixels", posed.root, len(sizes), width, height)
    images, masks, cropped = [], [], []
    for image, mask, intrinsics in zip(posed.images, posed.masks, posed.intrinsics, strict=True):
        left, top = (image.shape[1] - width) // 2, (image.shape[0] - height) // 2
        rows, columns = slice(top, top + height), slice(left, left + width)
        images.append(image[rows, columns].clone())
        masks.append(None if mask is None else mask[rows, columns].clone())
        cx, cy = intrinsics.cx - left, intrinsics.cy - top
        cropped.append(replace(intrinsics, width=float(width), height=float(height), cx=cx, cy=cy))
    return replace(posed, images=tuple(images), masks=tuple(masks), intrinsics=tuple(cropped))
