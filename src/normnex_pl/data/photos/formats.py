"""Formats of photos, detected by content: file names and their endings are often wrong."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from PIL import Image, ImageFile, TiffImagePlugin

from normnex_pl.core.errors import UserError

# What is decoded, and the name of Pillow's decoder.
DECODERS = {"JPEG": "JPEG", "PNG": "PNG", "WebP": "WEBP", "TIFF": "TIFF", "HEIC": "HEIF", "AVIF": "AVIF"}
EXR = "OpenEXR"  # is decoded elsewhere
_ADVICE = {
    "HEIC": "Install normnex_pl[capture], whose pillow-heif reads it, or convert the photo to JPEG.",
    "AVIF": "Install pillow 11.3 or later with AVIF, or convert the photo to JPEG.",
    "a Git LFS pointer": "Run 'git lfs pull' to fetch the photo itself.",
    "an empty file": "Copy the photo again.",
}
_OR_LEAVE_OUT = "JPEG or PNG, or leave it out (in a scene, with its pose)."

# Beginnings of files. What isn't decoded is listed so that a message can name it.
_SIGNATURES = (
    (rb"", "an empty file"),
    (rb"\xff\xd8\xff[\s\S]*", "JPEG"),
    (rb"\x89PNG\r\n\x1a\n[\s\S]*", "PNG"),
    (rb"RIFF[\s\S]{4}WEBP[\s\S]*", "WebP"),
    (rb"(II\*\0|MM\0\*)[\s\S]{4}CR[\s\S]*", "a raw photo"),
    (rb"(II\*\0|MM\0\*|II\+\0|MM\0\+)[\s\S]*", "TIFF"),
    (rb"[\s\S]{4}ftyp(avif|avis|[\s\S]{8,20}avif)[\s\S]*", "AVIF"),
    (rb"[\s\S]{4}ftyp(hei[cxms]|hev[cxms]|mif1|msf1)[\s\S]*", "HEIC"),
    (rb"[\s\S]{4}ftypcrx[\s\S]*", "a raw photo"),
    (rb"(FUJIFILMCCD-RAW|IIR[OS]|IIU\0)[\s\S]*", "a raw photo"),
    (rb"[\s\S]{4}ftyp[\s\S]*", "a video"),
    (rb"(\xff\x0a|\0\0\0\x0cJXL )[\s\S]*", "JPEG XL"),
    (rb"(\0\0\0\x0cjP  |\xff\x4f\xff\x51)[\s\S]*", "JPEG 2000"),
    (rb"GIF8[\s\S]*", "GIF"),
    (rb"BM[\s\S]{4}\0{4}[\s\S]*", "BMP"),
    (rb"8BPS[\s\S]*", "a Photoshop document"),
    (rb"\x76\x2f\x31\x01[\s\S]*", EXR),
    (rb"#\?RADIANCE[\s\S]*", "Radiance HDR"),
    (rb"%PDF[\s\S]*", "PDF"),
    (rb"version https://git-lfs[\s\S]*", "a Git LFS pointer"),
    (rb"(?i:\s*<(!doctype|html|\?xml|svg))[\s\S]*", "a web page or SVG"),
)
_PATTERNS = tuple((re.compile(pattern), kind) for pattern, kind in _SIGNATURES)
_HEAD = 64
_SAMPLE_FORMATS = {1: "unsigned", 2: "signed", 3: "floating-point", 4: "unknown"}
_LOCK = threading.RLock()


def sniff(path: Path) -> str | None:
    """Return the format of a file, detected by its first bytes; None if it is unknown."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return next((kind for pattern, kind in _PATTERNS if pattern.fullmatch(head)), None)


@contextmanager
def without_pixel_limit() -> Iterator[None]:
    """Disable Pillow's limit on picture sizes, in one thread at a time; the header's check has ours."""
    with _LOCK:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def open_photo(path: Path) -> ImageFile.ImageFile:
    """Open a photo regardless of its name, without decoding pixels.

    Raises:
        UserError: The file holds something that isn't decoded; the message names it.
        Exception: Whatever a decoder raises.
    """
    kind = sniff(path)
    if kind is None:
        raise ValueError("not a picture")
    decoder = DECODERS.get(kind)
    if decoder is None or not _is_installed(decoder):
        found = kind if kind in _ADVICE else f"{kind} (called {path.suffix}), which is not read"
        advice = _ADVICE.get(kind, f"Convert it to {_OR_LEAVE_OUT}")
        raise UserError(f"{path}: expected a readable photo, found {found}. {advice}")
    with without_pixel_limit():
        try:
            return Image.open(path, formats=(decoder,))
        except Image.UnidentifiedImageError as error:
            raise UserError(
                f"{path}: expected a readable photo, found {kind} that is damaged or of an unusual kind "
                f"({_reason(path, decoder)}). Export it again as {_OR_LEAVE_OUT}"
            ) from error


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Convert all exceptions of a decoder to a UserError that names the file.

    Args:
        path: The photo.
    """
    try:
        yield
    except UserError:
        raise
    except MemoryError as error:
        raise UserError(
            f"{path}: expected a photo that fits into memory, found a larger one. Scale all photos down."
        ) from error
    # Damaged files make decoders raise OSError, SyntaxError, ValueError, struct.error, RuntimeError and more.
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise UserError(
                f"{path}: expected a photo, found '{error.strerror}'. Check the path and its permissions."
            ) from error
        reason = " ".join(str(error).split())
        raise UserError(
            f"{path}: expected a readable photo, found damaged or other data ({reason}). "
            "Replace the file, or leave it out (in a scene, with its pose)."
        ) from error


@cache
def _is_installed(decoder: str) -> bool:
    """Return whether Pillow has a decoder; that of HEIC comes with the extra 'capture'."""
    if decoder == "HEIF":
        with suppress(ImportError):
            from pillow_heif import register_heif_opener

            register_heif_opener()
    Image.init()
    return decoder in Image.OPEN


def _reason(path: Path, decoder: str) -> str:
    """Return why a decoder refuses a file, which `PIL.Image.open` doesn't tell."""
    factory, _ = Image.OPEN[decoder]
    try:
        with path.open("rb") as file:
            factory(file, str(path))
    except Exception as error:  # decoders raise nearly anything
        message = " ".join(str(error).split()) or type(error).__name__
        return f"{message}{_pixel_layout(path) if decoder == 'TIFF' else ''}"
    return "unknown"


def _pixel_layout(path: Path) -> str:
    """Return a description of the pixels of a TIFF file that Pillow doesn't open; empty if damaged."""
    with path.open("rb") as file, suppress(Exception):  # damaged files raise nearly anything
        head = file.read(8)
        tags = TiffImagePlugin.ImageFileDirectory_v2(head + file.read(8 if head[2:3] == b"+" else 0))
        file.seek(tags.next)
        tags.load(file)
        bits = tags[TiffImagePlugin.BITSPERSAMPLE]
        samples = _SAMPLE_FORMATS[tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,))[0]]
        return f": {len(bits)} channels of {bits[0]}-bit {samples} numbers"
    return ""
