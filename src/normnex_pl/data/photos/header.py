"""The header of a photo: format, size and orientation, on which rotating and measuring photos rely."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import ExifTags, Image, TiffImagePlugin

from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.exr import read_exr_header
from normnex_pl.data.photos.formats import EXR, open_photo, refusing, sniff
from normnex_pl.data.photos.wide import bits_of

# How the pixels are wanted: in the order of the file, which poses estimated by COLMAP belong to, or as a
# person sees the photo, by its EXIF orientation.
Turn = Literal["stored", "upright"]
Size = tuple[int, int]

_UNTURNED = 1
_TURNED_BY_90_DEGREES = (5, 6, 7, 8)
_INVERSE = {6: 8, 8: 6}  # the others are their own
_MOST_PIXELS = 512_000_000
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_METADATA = (b"eXIf", b"iTXt", b"tEXt", b"zTXt")
_PNG_FRAMES = (b"acTL", b"fcTL", b"fdAT")
_DNG_VERSION = 50706


@dataclass(frozen=True)
class PhotoHeader:
    """Format, size and orientation of a photo, as stated by its header.

    Attributes:
        path: The file.
        format: By Pillow's name, or `EXR`.
        loaded: Width and height of the pixels as Pillow's decoder returns them.
        orientations: EXIF orientation that these pixels still need, for each way to want them.
        focal: Focal length in mm as for 35 mm film; None where the EXIF data don't have it.
        bits: Of a channel; not told of OpenEXR.
        has_alpha: Whether pixels can be transparent.
    """

    path: Path
    format: str
    loaded: Size
    orientations: Mapping[Turn, int]
    focal: float | None
    bits: int = 8
    has_alpha: bool = False

    def size(self, turn: Turn) -> Size:
        """Return width and height in pixels."""
        width, height = self.loaded
        return (height, width) if self.orientations[turn] in _TURNED_BY_90_DEGREES else (width, height)

    @property
    def pixels(self) -> int:
        """The number of pixels."""
        return self.loaded[0] * self.loaded[1]

    @property
    def turn_upright(self) -> int:
        """The EXIF orientation that turns the stored pixels upright."""
        stored, upright = self.orientations["stored"], self.orientations["upright"]
        return upright if upright != _UNTURNED else _INVERSE.get(stored, stored)

    @property
    def is_turned(self) -> bool:
        """Whether the photo is stored in another orientation than it is to be displayed."""
        return self.orientations["stored"] != self.orientations["upright"]


def read_header(path: Path) -> PhotoHeader:
    """Read the header of a photo; no pixel is decoded.

    Args:
        path: A file of any name, which holds JPEG, PNG, WebP, TIFF, HEIC, AVIF or OpenEXR.

    Raises:
        UserError: The header can't be read, or tells of more pixels than can be dealt with.
    """
    with refusing(path):
        is_exr = sniff(path) == EXR
    if is_exr:
        return _read_exr(path)
    with refusing(path), open_photo(path) as image:
        exif = _read_exif(path, image)
        orientation = _orientation(exif)
        loaded, orientations = _as_loaded(image, orientation)
        header = PhotoHeader(
            path=path,
            format=image.format or "",
            loaded=loaded,
            orientations=orientations,
            focal=_focal(exif),
            bits=bits_of(path, image),
            has_alpha=image.has_transparency_data,
        )
        _check_size(header)
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            _check_no_preview(path, image)
            _check_strips(image)
    return header


def read_size(path: Path, turn: Turn = "upright") -> Size:
    """Read the size of a photo from its header.

    Args:
        path: The photo.
        turn: Whether its EXIF orientation is applied.

    Returns:
        Width and height in pixels.

    Raises:
        UserError: The header can't be read.
    """
    return read_header(path).size(turn)


def _read_exr(path: Path) -> PhotoHeader:
    """Read the header of an OpenEXR photo."""
    with refusing(path):
        found = read_exr_header(path)
    as_stored: Mapping[Turn, int] = {"stored": _UNTURNED, "upright": _UNTURNED}
    header = PhotoHeader(path, EXR, found.size, as_stored, None, has_alpha=found.has_alpha)
    _check_size(header)
    return header


def _as_loaded(image: Image.Image, orientation: int) -> tuple[Size, Mapping[Turn, int]]:
    """Return the size of the pixels that Pillow decodes, and which orientation they still need."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        # Pillow turns these upright; its header's size takes the tag into account, but not XMP data.
        width, height = image.tag_v2[TiffImagePlugin.IMAGEWIDTH], image.tag_v2[TiffImagePlugin.IMAGELENGTH]
        upright = (height, width) if orientation in _TURNED_BY_90_DEGREES else (width, height)
        return upright, {"stored": _INVERSE.get(orientation, orientation), "upright": _UNTURNED}
    if image.format == "AVIF":
        # The turn is part of the picture in this format, and in HEIC, whose decoder applies it.
        return image.size, {"stored": orientation, "upright": orientation}
    return image.size, {"stored": _UNTURNED, "upright": orientation}


def _read_exif(path: Path, image: Image.Image) -> Image.Exif:
    """Return the EXIF data, with the orientation from XMP if they lack one; empty if damaged."""
    try:
        if image.format != "PNG":
            return image.getexif()
        # Pillow decodes all pixels to reach the chunks after them.
        with Image.open(io.BytesIO(b"".join(_png_without_pixels(path))), formats=("PNG",)) as metadata:
            return Image.Image.getexif(metadata)
    except Exception:  # nearly anything; viewers show such photos as they are stored
        return Image.Exif()


def _png_without_pixels(path: Path) -> Iterator[bytes]:
    """Yield the chunks of a PNG file with all metadata before the pixels, which are left out."""
    yield _PNG_SIGNATURE
    with path.open("rb") as file:
        file.seek(len(_PNG_SIGNATURE))
        after_pixels = False
        while len(start := file.read(8)) == 8:
            length, kind = struct.unpack(">L4s", start)
            if kind == b"IDAT" or kind in _PNG_FRAMES:
                after_pixels |= kind == b"IDAT"
                file.seek(length + 4, io.SEEK_CUR)
                continue
            if kind == b"IEND":
                break
            rest = file.read(length + 4)
            intact = rest[-4:] == struct.pack(">L", zlib.crc32(kind + rest[:-4]))
            if not after_pixels or (kind in _PNG_METADATA and intact):
                yield start + rest
    for kind in (b"IDAT", b"IEND"):
        yield struct.pack(">L4sL", 0, kind, zlib.crc32(kind))


def _orientation(exif: Image.Exif) -> int:
    """Return the EXIF orientation; undefined values count as upright."""
    value = exif.get(ExifTags.Base.Orientation)
    return value if isinstance(value, int) and 1 <= value <= 8 else _UNTURNED


def _focal(exif: Image.Exif) -> float | None:
    """Return the focal length for 35 mm film, where there is one; no check of its value."""
    try:
        value: object = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.FocalLengthIn35mmFilm)
        return float(value)  # type: ignore[arg-type]
    except Exception:  # damaged EXIF data raise nearly anything
        return None


def _check_size(header: PhotoHeader) -> None:
    """Raise a UserError about photos that are too large."""
    width, height = header.loaded
    if not 0 < header.pixels <= _MOST_PIXELS:
        raise UserError(
            f"{header.path}: expected a photo of at most {_MOST_PIXELS // 1_000_000} million pixels, found "
            f"one that is too large, {width}x{height}. Scale all photos down."
        )


def _check_no_preview(path: Path, image: TiffImagePlugin.TiffImageFile) -> None:
    """Raise a UserError about raw photos, in whose TIFF data the first picture is a small preview."""
    reduced = image.tag_v2.get(ExifTags.Base.NewSubfileType, 0)
    if _DNG_VERSION in image.tag_v2 or (isinstance(reduced, int) and reduced & 1):
        raise UserError(
            f"{path}: expected a readable photo, found a raw photo, of which only a preview could be read. "
            "Develop it, and export all photos as JPEG or PNG."
        )


def _check_strips(image: TiffImagePlugin.TiffImageFile) -> None:
    """Raise a ValueError if strips or tiles are missing, which Pillow would leave black."""
    width, height = image.tag_v2[TiffImagePlugin.IMAGEWIDTH], image.tag_v2[TiffImagePlugin.IMAGELENGTH]
    extents = np.array([extent for _, extent, *_ in image.tile if extent is not None]).reshape(-1, 4)
    sides = np.minimum(extents[:, 2:], (width, height)) - extents[:, :2]
    held = sides.prod(axis=1).sum()
    if held < width * height:
        raise ValueError(f"{held} of {width * height} pixels are there")
