"""Finding the photos of a folder, and decoding them upright and in sRGB, in all formats of phones."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Bool
from PIL import Image
from torch import Tensor

from normnex_pl.core.errors import UserError
from normnex_pl.data.photos import header
from normnex_pl.data.photos.colours import to_srgb
from normnex_pl.data.photos.decode import decode_photo
from normnex_pl.data.photos.header import Size
from normnex_pl.data.photos.masks import load_mask

logger = logging.getLogger(__name__)

# More than a scene's photos may have, since these are written as JPEG.
_ENDINGS = (".jpg", ".jpeg", ".png", ".heic", ".heif", ".webp", ".tif", ".tiff", ".avif", ".exr")
VIDEO_ENDINGS = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mts")
# 35 mm film is 36 mm x 24 mm.
_FILM_DIAGONAL = (36.0**2 + 24.0**2) ** 0.5


def find_photos(folder: Path) -> tuple[Path, ...]:
    """List the photos of a folder, sorted by name; other files and hidden ones are left out.

    Args:
        folder: An existing folder.

    Raises:
        UserError: There is none, or two would get the same name in the scene.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    photos = sorted((path for path in files if path.suffix.lower() in _ENDINGS), key=lambda path: path.stem)
    if not photos:
        raise UserError(_no_photos(folder, files))
    stems = Counter(path.stem.lower() for path in photos)
    twice = [path.name for path in photos if stems[path.stem.lower()] > 1]
    if twice:
        raise UserError(
            f"{folder}: expected photos whose names differ before the ending, found {', '.join(twice[:4])}. "
            "Keep one of each."
        )
    if len(files) > len(photos):
        logger.info("%s: %d other files are left out", folder, len(files) - len(photos))
    return tuple(photos)


def _no_photos(folder: Path, files: list[Path]) -> str:
    """Return the message about a folder without photos."""
    endings = Counter(path.suffix.lower() or path.name for path in files)
    found = ", ".join(f"{count} x {ending}" for ending, count in endings.most_common(5)) or "no files"
    advice = "Check the path; photos in folders within it are not taken."
    if videos := [path for path in files if path.suffix.lower() in VIDEO_ENDINGS]:
        advice = f"For a scene of a video, give the file itself: '{videos[0]}'."
    elif files:
        advice = "Export them as JPEG, or check the path."
    return f"{folder}: expected photos that end in {', '.join(_ENDINGS)}, found {found}. {advice}"


def load_upright(path: Path, size: Size | None = None, white: float = 1.0) -> Image.Image:
    """Decode a photo to 8-bit sRGB, turned as its EXIF data say and converted from its colour profile.

    Args:
        path: The photo.
        size: Width and height to scale it to; None keeps its own.
        white: The linear value that becomes white, of OpenEXR photos.

    Raises:
        UserError: It can't be read.
    """
    return decode_photo(header.read_header(path), "upright", to_srgb, size, white)


def load_mask_upright(path: Path, masks: Sequence[Path], size: Size) -> Bool[Tensor, "height width"] | None:
    """Load the mask of a photo, turned as its EXIF data say; None where all pixels count.

    Args:
        path: The photo, whose alpha channel is a mask too.
        masks: Its files, see `normnex_pl.data.photos.masks.load_mask`.
        size: Width and height to scale it to.

    Raises:
        UserError: The mask can't be read, or is of another shape than the photo.
    """
    return load_mask(header.read_header(path), masks, size, "upright")


def read_header(path: Path) -> tuple[Size, float | None]:
    """Read a photo's width and height, upright, and its focal length as a multiple of the diagonal.

    Returns:
        The size in pixels; the focal length, None where the EXIF data have no 35 mm equivalent.

    Raises:
        UserError: It can't be read.
    """
    found = header.read_header(path)
    return found.size("upright"), None if found.focal is None else _in_diagonals(found.focal)


def _in_diagonals(focal: float) -> float | None:
    """Return a 35 mm equivalent in diagonals of the picture; None for 0 (unknown) and for nonsense."""
    value = focal / _FILM_DIAGONAL
    return value if 0.1 < value < 50 else None
