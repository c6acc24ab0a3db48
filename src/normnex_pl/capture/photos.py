"""Finding the photos of a folder, and decoding them upright and in sRGB, in all formats of phones."""

from __future__ import annotations

import io
import logging
from collections import Counter
from pathlib import Path

import pillow_heif
from PIL import ExifTags, Image, ImageCms

from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.decode import decode_photo

logger = logging.getLogger(__name__)

# More than a scene's photos may have, since these are written as JPEG.
_FORMATS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".heic": "HEIF",
    ".heif": "HEIF",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
VIDEO_ENDINGS = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mts")
# 35 mm film is 36 mm x 24 mm.
_FILM_DIAGONAL = (36.0**2 + 24.0**2) ** 0.5

pillow_heif.register_heif_opener()


def find_photos(folder: Path) -> tuple[Path, ...]:
    """List the photos of a folder, sorted by name; other files and hidden ones are left out.

    Args:
        folder: An existing folder.

    Raises:
        UserError: There is none, or two would get the same name in the scene.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    photos = sorted((path for path in files if path.suffix.lower() in _FORMATS), key=lambda path: path.stem)
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
    return f"{folder}: expected photos that end in {', '.join(_FORMATS)}, found {found}. {advice}"


def load_upright(path: Path) -> Image.Image:
    """Decode a photo to 8-bit sRGB, turned as its EXIF data say and converted from its colour profile.

    Raises:
        UserError: It can't be read.
    """
    try:
        image = decode_photo(path, (_FORMATS[path.suffix.lower()],))
    except Exception as error:  # damaged files make decoders raise nearly anything
        raise _unreadable(path, error) from error
    return _in_srgb(image)


def read_header(path: Path) -> tuple[tuple[int, int], float | None]:
    """Read a photo's width and height, upright, and its focal length as a multiple of the diagonal.

    Returns:
        The size in pixels; the focal length, None where the EXIF data have no 35 mm equivalent.

    Raises:
        UserError: It can't be read.
    """
    try:
        with Image.open(path, formats=[_FORMATS[path.suffix.lower()]]) as image:
            width, height = image.size
            # The base class's method: that of PNG files decodes all pixels to find EXIF data after them.
            exif = Image.Image.getexif(image)
            turned = exif.get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
            focal = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.FocalLengthIn35mmFilm)
    except Exception as error:
        raise _unreadable(path, error) from error
    size = (height, width) if turned else (width, height)
    return size, _positive(focal)


def _positive(focal: object) -> float | None:
    """Return a 35 mm equivalent in diagonals of the picture; None for 0 (unknown) and for nonsense."""
    try:
        value = float(focal) / _FILM_DIAGONAL  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return value if 0.1 < value < 50 else None


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(
        f"{path}: expected a readable photo, found damaged or other data ({error}). Replace the file, or "
        "take it out of the folder."
    )


def _in_srgb(image: Image.Image) -> Image.Image:
    """Apply a colour profile, such as Display P3 of phones; pixels of unknown profiles stay as they are."""
    profile = image.info.pop("icc_profile", None)
    if not profile:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return image
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):  # such as that of a grey picture
        return image
    return image if converted is None else converted
