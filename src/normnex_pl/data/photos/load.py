"""Loading of the photos' pixels."""

from __future__ import annotations

import logging
from dataclasses import replace

from torch import Tensor

from normnex_pl.data.photos.conversion import conversion_of
from normnex_pl.data.photos.decode import load_photos
from normnex_pl.data.photos.header import read_header
from normnex_pl.data.photos.intrinsics import check_aspect
from normnex_pl.data.photos.posed import PosedPhotos

logger = logging.getLogger(__name__)


def load_images(posed: PosedPhotos, width: int | None) -> PosedPhotos:
    """Load the photos, and scale the intrinsics to the size that they then have.

    EXIF orientations are not applied: COLMAP, LLFF, nerfstudio and Spaces estimate poses from the pixels as
    they are stored.

    Args:
        posed: Without images.
        width: Wanted width of the photos in pixels; None keeps their own.

    Raises:
        UserError: A photo can't be read, isn't shaped as its intrinsics say, or differs in size from others
            whose intrinsics are given for the same size.
    """
    conversion = conversion_of([read_header(path) for path in posed.files])
    if conversion.description:
        logger.info("%s: %s", posed.root, conversion.description)
    sizes = [(intrinsics.width, intrinsics.height) for intrinsics in posed.intrinsics]
    loaded: dict[int, Tensor] = {}
    for size in dict.fromkeys(sizes):
        views = [index for index, other in enumerate(sizes) if other == size]
        photos = load_photos([posed.files[view] for view in views], width, "stored", conversion.white)
        loaded.update(zip(views, photos, strict=True))
    images = tuple(loaded[view] for view in range(len(sizes)))
    scaled = []
    for intrinsics, image in zip(posed.intrinsics, images, strict=True):
        height, loaded_width, _ = image.shape
        check_aspect(str(posed.source), intrinsics, loaded_width, height)
        scaled.append(intrinsics.scaled_to(loaded_width, height))
    return replace(posed, images=images, intrinsics=tuple(scaled), conversion=conversion.description)
