"""Conversion of photos with wide pixels to the bytes that all later steps work on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from normnex_pl.data.photos.exr import WHITE_PERCENTILE, white_of
from normnex_pl.data.photos.formats import EXR
from normnex_pl.data.photos.header import PhotoHeader

_BYTE = 8


@dataclass(frozen=True)
class Conversion:
    """The conversion of a scene's photos, the same for all of them.

    Attributes:
        white: The linear value that becomes white, of OpenEXR photos.
        description: A sentence for people; empty where all photos have bytes.
    """

    white: float
    description: str


def conversion_of(photos: Sequence[PhotoHeader]) -> Conversion:
    """Choose how the photos of a scene become bytes.

    Raises:
        UserError: An OpenEXR photo can't be read.
    """
    linear = [photo.path for photo in photos if photo.format == EXR]
    white = white_of(linear)
    parts = []
    if linear:
        parts.append(
            f"{len(linear)} OpenEXR photos, tone-mapped by one curve: linear {white:.3g}, percentile "
            f"{WHITE_PERCENTILE:g} of all their pixels, and above is white; sRGB below"
        )
    if wide := [photo for photo in photos if photo.bits > _BYTE]:
        parts.append(f"{len(wide)} photos of {max(photo.bits for photo in wide)} bits a channel, scaled to 8")
    return Conversion(white, "; ".join(parts))
