"""Conversion of wide pixels (16 or 32 bits a channel) to 8 bits: value * 255 / largest value, rounded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from kornia_rs.io import read_image_png_u16
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    SAMPLEFORMAT,
    TiffImageFile,
)

from normnex_pl.core.errors import UserError

_NARROW = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "LAB", "HSV")
# Of 16-bit PNG files: the header's colour type to the reader's mode. Grey with alpha, a rarity that the
# reader lacks, is left to Pillow, which cuts it to the upper 8 bits, as it does TIFF files in colour.
_16_BIT_MODES = {0: "mono", 2: "rgb", 6: "rgba"}
_PNG = b"\x89PNG"
_WHITE_IS_ZERO = 0
_UNSIGNED = 1
_INTERLEAVED = 1
_ROWS = 256  # are converted at a time, which bounds the memory


def to_8_bits(path: Path, image: Image.Image) -> Image.Image:
    """Return a photo with 8 bits a channel.

    Args:
        path: Its file.
        image: As Pillow decodes it.

    Raises:
        UserError: The pixels have no range that the format defines.
    """
    if (mode := _mode_of_16_bit_png(path)) is not None:
        return _read_16_bit_png(path, mode, image.info.get("transparency"))
    if image.mode in _NARROW:
        _check_planes(path, image)
        return image
    values, largest = np.asarray(image), _largest_value(image)
    if largest is None:
        raise UserError(
            f"{path}: expected 8 or 16 bits a channel, found pixels of Pillow's mode '{image.mode}' "
            "(signed, 32-bit or floating-point), for which no white is defined. Export all photos with 8 or "
            "16 bits a channel."
        )
    if image.mode == "I":
        values = values.view(np.uint32)
    narrow = _scale(values, largest)
    is_inverted = _tag(image, PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO
    return Image.fromarray(255 - narrow if is_inverted else narrow)


def bits_of(path: Path, image: Image.Image) -> int:
    """Return how many bits a channel of a photo has, of the formats that can have more than 8."""
    if isinstance(image, TiffImageFile):
        return int(_tag(image, BITSPERSAMPLE) or 8)
    with path.open("rb") as file:
        header = file.read(26)
    return int(header[24]) if header.startswith(_PNG) and len(header) == 26 else 8


def _check_planes(path: Path, image: Image.Image) -> None:
    """Raise a UserError about wide channels that are stored one after the other, which Pillow mixes up."""
    is_wide = int(_tag(image, BITSPERSAMPLE) or 8) > 8
    if is_wide and _tag(image, PLANAR_CONFIGURATION) not in (None, _INTERLEAVED):
        raise UserError(
            f"{path}: expected wide pixels with their channels together, found a TIFF file with a plane for "
            "each channel. Export all photos with interleaved channels, or with 8 bits a channel."
        )


def _largest_value(image: Image.Image) -> int | None:
    """Return the value of white, or of black where white is zero; None if the format has none."""
    if image.mode.startswith("I;16"):
        return (1 << int(_tag(image, BITSPERSAMPLE) or 16)) - 1
    is_unsigned = (_tag(image, SAMPLEFORMAT) or _UNSIGNED) == _UNSIGNED
    if image.mode == "I" and isinstance(image, TiffImageFile) and is_unsigned:
        return (1 << 32) - 1
    return None


def _tag(image: Image.Image, number: int) -> Any:
    """Return a tag of a TIFF file, for the first channel; None if there is none."""
    value = image.tag_v2.get(number) if isinstance(image, TiffImageFile) else None
    return value[0] if isinstance(value, tuple) else value


def _scale(values: NDArray[Any], largest: int) -> UInt8[np.ndarray, "height width *channel"]:
    """Scale integers from [0, largest] to [0, 255], rounded to the nearest."""
    scaled = np.empty(values.shape, dtype=np.uint8)
    for row in range(0, len(values), _ROWS):
        rows = slice(row, row + _ROWS)
        scaled[rows] = (values[rows].astype(np.uint64) * 255 + largest // 2) // largest
    return scaled


def _mode_of_16_bit_png(path: Path) -> str | None:
    """Read the colour mode of a 16-bit PNG from its header; None for all other files."""
    with path.open("rb") as file:
        header = file.read(26)
    if not header.startswith(_PNG) or header[24] != 16:
        return None
    return _16_BIT_MODES.get(header[25])


def _read_16_bit_png(path: Path, mode: str, transparency: object) -> Image.Image:
    """Read a 16-bit PNG, whose colours Pillow would cut to their upper 8 bits.

    Args:
        path: The file.
        mode: Of its pixels.
        transparency: The colour that stands for transparent pixels, as 16-bit values; None if none does.
    """
    values = read_image_png_u16(str(path), mode)
    image = Image.fromarray(_scale(values, 65535).squeeze(-1 if mode == "mono" else ()))
    if isinstance(transparency, int | tuple):
        opaque = (values != np.atleast_1d(transparency)).any(axis=-1)
        image.putalpha(Image.fromarray(opaque.astype(np.uint8) * 255))
    return image
