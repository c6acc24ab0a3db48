"""Decoding photos to RGB, 8 bits a channel."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, JpegImagePlugin
from torch import Tensor

from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.colours import as_stored
from normnex_pl.data.photos.exr import read_exr, tone_map
from normnex_pl.data.photos.formats import EXR, open_photo, refusing, without_pixel_limit
from normnex_pl.data.photos.header import PhotoHeader, Size, Turn, read_header
from normnex_pl.data.photos.wide import to_8_bits

logger = logging.getLogger(__name__)

# Converts colours from a profile (None: none) to the wanted ones.
ColourStep = Callable[[Image.Image, bytes | None], Image.Image]

_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_MAX_THREADS = 8
# Larger photos are decoded one at a time, and JPEG files at a fraction of their size where that will do.
_LARGE = 89_000_000
_SPARE = 2  # times the wanted size: what is left for the better filter to scale down
_FRACTIONS = (8, 4, 2)


def load_photos(
    files: Sequence[Path], width: int | None, turn: Turn = "upright", white: float = 1.0
) -> tuple[UInt8[Tensor, "height width 3"], ...]:
    """Load photos as RGB bytes: without alpha, scaled down to the wanted width.

    Grey and palette images become RGB; 16 bits become 8 by value * 255 / 65535, rounded. Transparent
    pixels are composited over black, which is also what an MPI shows where no plane covers the view.
    Scaling down uses an anti-aliased Lanczos filter, as the usual ``images_<n>/`` copies do, and keeps the
    aspect ratio; narrower photos are not enlarged. sRGB is assumed: profiles are not applied.

    Args:
        files: Photos, all of one size.
        width: Wanted width in pixels; None keeps the photos' own.
        turn: Whether EXIF orientations are applied.
        white: The linear value that becomes white, of OpenEXR photos.

    Returns:
        One image per file, in the order of the files.

    Raises:
        UserError: A file is not a readable photo, or its size differs from that of the others.
    """
    workers = min(_MAX_THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(max_workers=workers) as pool:
        loaded = list(pool.map(lambda path: _load(path, width, turn, white), files))
    headers = [header for _, header in loaded]
    _check_one_size(files, [header.size(turn) for header in headers])
    if turn == "stored" and (turned := [header for header in headers if header.is_turned]):
        logger.info(
            "%s: the EXIF orientation of %d photos is not applied, as poses belong to the stored pixels",
            turned[0].path.parent,
            len(turned),
        )
    return tuple(image for image, _ in loaded)


def _check_one_size(files: Sequence[Path], sizes: Sequence[Size]) -> None:
    """Raise a UserError that names the first photo whose size is not the most common one."""
    if not sizes:
        return
    (width, height), count = Counter(sizes).most_common(1)[0]
    for path, size in zip(files, sizes, strict=True):
        if size != (width, height):
            raise UserError(
                f"{path}: expected {width}x{height} pixels as in {count} of {len(files)} photos, "
                f"found {size[0]}x{size[1]}. Bring all photos to one size, or remove this one with its pose."
            )


def _load(
    path: Path, width: int | None, turn: Turn, white: float
) -> tuple[UInt8[Tensor, "height width 3"], PhotoHeader]:
    """Load one photo; return it with its header."""
    header = read_header(path)
    own_width, own_height = header.size(turn)
    size = None
    if width is not None and width < own_width:
        size = width, max(1, round(own_height * width / own_width))
    return torch.from_numpy(np.array(decode_photo(header, turn, as_stored, size, white))), header


def decode_photo(
    header: PhotoHeader, turn: Turn, colours: ColourStep, size: Size | None = None, white: float = 1.0
) -> Image.Image:
    """Decode a photo to RGB, 8 bits a channel, without alpha.

    Args:
        header: Of the photo.
        turn: Whether its EXIF orientation is applied.
        colours: Applied before transparent pixels are composited over black.
        size: Width and height to scale it to, not larger than its own; None keeps that.
        white: The linear value that becomes white, of OpenEXR photos.

    Raises:
        UserError: It can't be decoded, or its pixels are not those that the header announces.
    """
    is_large = header.pixels > _LARGE
    with refusing(header.path), without_pixel_limit() if is_large else nullcontext():
        photo, profile = _read_pixels(header, size if is_large else None, white)
        photo = turned(photo, header.orientations[turn])
        photo = _to_rgb(header, colours(photo, profile))
        if size is not None and photo.size != size:
            photo = photo.resize(size, Image.Resampling.LANCZOS)
        return photo


def decode_alpha(header: PhotoHeader, turn: Turn) -> Image.Image | None:
    """Decode the alpha channel of a photo with 8 bits, in its own size; None if it has none.

    Args:
        header: Of the photo.
        turn: Whether its EXIF orientation is applied.

    Raises:
        UserError: It can't be decoded.
    """
    if not header.has_alpha:
        return None
    with refusing(header.path), without_pixel_limit() if header.pixels > _LARGE else nullcontext():
        photo, _ = _read_pixels(header, None, 1.0)
        return turned(photo, header.orientations[turn]).convert("RGBA").getchannel("A")


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """Turn or mirror an image as an EXIF orientation says."""
    turn = _TRANSPOSITIONS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _read_pixels(header: PhotoHeader, size: Size | None, white: float) -> tuple[Image.Image, bytes | None]:
    """Read the pixels with 8 bits a channel, and the colour profile.

    Args:
        header: Of the photo.
        size: What the photo will be scaled to; a JPEG file may be read at a fraction of its own size.
        white: The linear value that becomes white, of an OpenEXR photo.
    """
    if header.format == EXR:
        return tone_map(read_exr(header.path), white), None
    with open_photo(header.path) as image:
        width, height = header.loaded
        fraction = _readable_fraction(header, size)
        if fraction > 1 and isinstance(image, JpegImagePlugin.JpegImageFile):
            width, height = width // fraction, height // fraction
            image.draft(None, (width, height))
        image.load()
        profile = image.info.get("icc_profile")
        photo = to_8_bits(header.path, image)
    if photo.size != (width, height):
        raise UserError(
            f"{header.path}: expected {width}x{height} pixels as its header says, found "
            f"{photo.width}x{photo.height}. Export the photo again."
        )
    return photo, profile


def _readable_fraction(header: PhotoHeader, size: Size | None) -> int:
    """Return the fraction of its size at which a JPEG file may be read: one that divides it exactly."""
    if size is None:
        return 1
    longest, shortest = max(header.loaded), min(header.loaded)
    return next(
        (
            fraction
            for fraction in _FRACTIONS
            if longest % fraction == shortest % fraction == 0
            and longest >= fraction * _SPARE * max(size)
            and shortest >= fraction * _SPARE * min(size)
        ),
        1,
    )


def _to_rgb(header: PhotoHeader, image: Image.Image) -> Image.Image:
    """Convert any mode to RGB, compositing transparent pixels over black, as those of OpenEXR are already."""
    if not image.has_transparency_data or header.format == EXR:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    return Image.composite(rgba.convert("RGB"), Image.new("RGB", rgba.size), rgba.getchannel("A"))
