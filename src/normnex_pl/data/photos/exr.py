"""OpenEXR photos: linear light, tone-mapped to 8-bit sRGB by one curve for all photos of a scene.

The curve divides by the value that becomes white, a high percentile of the luminance of all photos, clips,
and applies the transfer function of sRGB (IEC 61966-2-1). As it is the same for all photos, they agree in
colour as much as before. Channels are read as linear Rec. 709, the format's default
(https://openexr.com/en/latest/TechnicalIntroduction.html).
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image

from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.formats import refusing

# Of the pixels of all photos; the brighter ones are clipped to white.
WHITE_PERCENTILE = 99.5
_SAMPLED = 4  # every so many rows and columns
_LUMINANCE = (0.2126, 0.7152, 0.0722)  # of Rec. 709
_COLOURS, _GREY, _ALPHA = ("R", "G", "B"), ("Y",), "A"
_LOCK = threading.Lock()
_STDERR = 2
_LINEAR_END, _SLOPE, _OFFSET, _POWER = 0.0031308, 12.92, 0.055, 2.4


@dataclass(frozen=True)
class ExrHeader:
    """The header of an OpenEXR photo.

    Attributes:
        size: Width and height in pixels.
        channels: Of the colours, R, G and B or Y alone.
        has_alpha: Whether there is an alpha channel beside them.
    """

    size: tuple[int, int]
    channels: tuple[str, ...]
    has_alpha: bool


def read_exr_header(path: Path) -> ExrHeader:
    """Read the header of an OpenEXR photo; no pixel is decoded.

    Raises:
        UserError: The library isn't installed, or the file holds something else than one whole picture.
        Exception: Whatever the library raises.
    """
    with _silenced():
        file = _open(path, header_only=True)
    header = file.header()
    names = {channel.name for channel in header["channels"]}
    colours = next((wanted for wanted in (_COLOURS, _GREY) if names.issuperset(wanted)), None)
    if colours is None or len(file.parts) > 1:
        found = ", ".join(sorted(names)[:8]) or "none"
        parts = f" in {len(file.parts)} parts" if len(file.parts) > 1 else ""
        raise UserError(
            f"{path}: expected a photo with the channels R, G and B, or Y, found {found}{parts}. Export the "
            "picture alone, without other passes or layers."
        )
    if "deep" in str(header.get("type")):
        raise UserError(f"{path}: expected a photo, found deep pixels. Export it flattened.")
    window, whole = (np.asarray(header[key]) for key in ("dataWindow", "displayWindow"))
    if not np.array_equal(window, whole):
        raise UserError(
            f"{path}: expected pixels for the whole picture, found a data window of {_text(window)} in a "
            f"display window of {_text(whole)}. Export the whole picture."
        )
    width, height = (window[1] - window[0] + 1).tolist()
    return ExrHeader((width, height), colours, _ALPHA in names)


def read_exr(path: Path) -> Float[np.ndarray, "height width channel"]:
    """Read the linear values of an OpenEXR photo: three colours, and alpha where it has one.

    Colours are premultiplied by alpha, as the format has it: as over black. Not-a-numbers count as black.

    Raises:
        UserError: See `read_exr_header`.
        Exception: Whatever the library raises.
    """
    header = read_exr_header(path)
    with _silenced():
        channels = _open(path, header_only=False).channels()
    names = (*header.channels, *((_ALPHA,) if header.has_alpha else ()))
    values = [np.asarray(channels[name].pixels, dtype=np.float32) for name in names]
    if header.channels == _GREY:
        values = [values[0], values[0], *values]
    return np.nan_to_num(np.stack(values, axis=-1), nan=0.0, posinf=np.inf, neginf=0.0)


def white_of(files: Sequence[Path]) -> float:
    """Return the linear value that becomes white in all of some photos.

    Args:
        files: OpenEXR photos of a scene.

    Returns:
        The percentile of their luminance; 1 for photos that are all black, or for none.

    Raises:
        UserError: A photo can't be read.
    """
    samples = []
    for path in files:
        with refusing(path):
            samples.append(read_exr(path)[::_SAMPLED, ::_SAMPLED, :3] @ np.array(_LUMINANCE))
    values = np.concatenate([sample.ravel() for sample in samples]) if samples else np.zeros(0)
    values = values[np.isfinite(values)]
    white = float(np.percentile(values, WHITE_PERCENTILE)) if len(values) else 0.0
    return white if white > 0 else 1.0


def tone_map(linear: Float[np.ndarray, "height width channel"], white: float) -> Image.Image:
    """Tone-map linear values to sRGB bytes; alpha stays linear.

    Args:
        linear: Three colours, and perhaps alpha.
        white: The value that becomes white.
    """
    colours = np.clip(linear[..., :3] / white, 0, 1)
    encoded = np.where(
        colours <= _LINEAR_END,
        _SLOPE * colours,
        (1 + _OFFSET) * np.power(colours, 1 / _POWER) - _OFFSET,
    )
    values = np.concatenate([encoded, np.clip(linear[..., 3:], 0, 1)], axis=-1)
    return Image.fromarray(np.round(255 * values).astype(np.uint8))


def _open(path: Path, header_only: bool) -> Any:
    try:
        import OpenEXR
    except ImportError as error:
        raise UserError(
            f"{path}: expected a readable photo, found OpenEXR. Install normnex_pl[exr], whose OpenEXR reads "
            "it, or convert the photo to PNG."
        ) from error
    # Channel by channel, since colours and alpha may have different types.
    return OpenEXR.File(str(path), separate_channels=True, header_only=header_only)


@contextmanager
def _silenced() -> Iterator[None]:
    """Drop what the library prints about damaged files on both outputs; it raises too."""
    with _LOCK, Path(os.devnull).open("wb") as nothing, redirect_stdout(io.StringIO()):
        kept = os.dup(_STDERR)
        try:
            os.dup2(nothing.fileno(), _STDERR)
            yield
        finally:
            os.dup2(kept, _STDERR)
            os.close(kept)


def _text(window: Any) -> str:
    (left, top), (right, bottom) = window.tolist()
    return f"{right - left + 1}x{bottom - top + 1} at {left}, {top}"
