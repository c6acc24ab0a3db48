"""Decoding photos to sRGB bytes.

Pixels are taken as they are stored: sRGB is assumed, colour profiles and gamma chunks are not applied.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from kornia_rs.io import read_image_png_u16
from PIL import ExifTags, Image, ImageOps
from torch import Tensor

from normnex_pl.core.errors import UserError

_FORMATS = ("JPEG", "PNG")
_TURNED_BY_90_DEGREES = (5, 6, 7, 8)
# Of 16-bit PNG files: the header's colour type to the reader's mode. Grey with alpha, a rarity that the
# reader lacks, is left to Pillow, which cuts it to the upper 8 bits.
_16_BIT_MODES = {0: "mono", 2: "rgb", 6: "rgba"}
_MAX_THREADS = 8


def read_size(path: Path) -> tuple[int, int]:
    """Read the size of a photo from its header, turned upright as its EXIF orientation says.

    Args:
        path: A JPEG or PNG file.

    Returns:
        Width and height in pixels.

    Raises:
        UserError: The header can't be read.
    """
    with _unreadable_as_user_error(path), Image.open(path, formats=_FORMATS) as image:
        width, height = image.size
        # The base class's method: that of PNG files decodes all pixels to find EXIF data after them.
        turned = Image.Image.getexif(image).get(ExifTags.Base.Orientation) in _TURNED_BY_90_DEGREES
    return (height, width) if turned else (width, height)


def load_photos(files: Sequence[Path], width: int | None) -> tuple[UInt8[Tensor, "height width 3"], ...]:
    """Load photos as sRGB bytes: upright, without alpha, scaled down to the wanted width.

    Grey and palette images become RGB; 16 bits become 8 by value * 255 / 65535, rounded. Transparent
    pixels are composited over black, which is also what an MPI shows where no plane covers the view.
    Scaling down uses an anti-aliased Lanczos filter, as the usual ``images_<n>/`` copies do, and keeps the
    aspect ratio; narrower photos are not enlarged.

    Args:
        files: Photos, all of one size.
        width: Wanted width in pixels; None keeps the photos' own.

    Returns:
        One image per file, in the order of the files.

    Raises:
        UserError: A file is not a readable JPEG or PNG, or its size differs from that of the others.
    """
    workers = min(_MAX_THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(max_workers=workers) as pool:
        loaded = list(pool.map(lambda path: _load(path, width), files))
    _check_one_size(files, [size for _, size in loaded])
    return tuple(image for image, _ in loaded)


def _check_one_size(files: Sequence[Path], sizes: Sequence[tuple[int, int]]) -> None:
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


def _load(path: Path, width: int | None) -> tuple[UInt8[Tensor, "height width 3"], tuple[int, int]]:
    """Load one photo; return it with the width and height that it had before it was scaled down."""
    with _unreadable_as_user_error(path):
        image = decode_photo(path)
        size = image.size
        if width is not None and width < image.width:
            height = max(1, round(image.height * width / image.width))
            image = image.resize((width, height), Image.Resampling.LANCZOS)
        return torch.from_numpy(np.array(image)), size


def decode_photo(path: Path, formats: tuple[str, ...] = _FORMATS) -> Image.Image:
    """Decode a photo to RGB, 8 bits a channel, upright and without alpha; see `load_photos`.

    Args:
        path: The file.
        formats: What the file may hold, in Pillow's words.

    Raises:
        Exception: Whatever a decoder raises; it names no file.
    """
    return _over_black(_decode_upright(path, formats))


def _decode_upright(path: Path, formats: tuple[str, ...]) -> Image.Image:
    """Decode a file to 8 bits a channel and apply its EXIF orientation."""
    with Image.open(path, formats=formats) as image:
        image.load()
        mode = _mode_of_16_bit_png(path)
        if mode is None:
            return ImageOps.exif_transpose(image)
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    # Pillow would cut the colours to their upper 8 bits.
    values = read_image_png_u16(str(path), mode).astype(np.int32)
    # 65535 / 255 = 257 is odd, so this division rounds to the nearest value exactly.
    rounded = Image.fromarray(((values + 128) // 257).astype(np.uint8).squeeze(-1 if mode == "mono" else ()))
    rounded.getexif()[ExifTags.Base.Orientation] = orientation
    return ImageOps.exif_transpose(rounded)


def _mode_of_16_bit_png(path: Path) -> str | None:
    """Read the colour mode of a 16-bit PNG from its header; None for all other files."""
    with path.open("rb") as file:
        header = file.read(26)
    if not header.startswith(b"\x89PNG") or header[24] != 16:
        return None
    return _16_BIT_MODES.get(header[25])


def _over_black(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB; what is transparent turns black, in proportion."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    return Image.composite(rgba.convert("RGB"), Image.new("RGB", rgba.size), rgba.getchannel("A"))


@contextmanager
def _unreadable_as_user_error(path: Path) -> Iterator[None]:
    """Turn whatever a decoder raises into a UserError that names the file."""
    try:
        yield
    # Damaged files make decoders raise OSError, SyntaxError, ValueError, struct.error, RuntimeError and more.
    except Exception as error:
        raise UserError(
            f"{path}: expected a readable JPEG or PNG photo, found damaged or other data ({error}). "
            "Replace the file, or remove it with its pose."
        ) from error
