"""Working copies of the photos for all later steps: upright, of one size, in sRGB, lossless."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from normnex_pl.capture.cores import usable_cores
from normnex_pl.capture.photos import load_upright
from normnex_pl.capture.sharpness import sharpness_of_photo
from normnex_pl.core.files import replacing, write_json

_SHARPNESS_FILE = "sharpness.json"
_FEWEST_SAVED = 8
_MOST_THREADS = 8  # each holds a photo in full size


def copy_photos(files: tuple[Path, ...], size: tuple[int, int], folder: Path) -> tuple[float, ...]:
    """Write ``00000.png``, ``00001.png``, ...; existing ones are kept.

    Args:
        files: The photos, which stay as they are.
        size: Width and height of the copies, not larger than the photos.
        folder: An existing folder.

    Returns:
        The sharpness of each photo.

    Raises:
        UserError: A photo can't be read; the message names it.
    """
    known = _read_sharpness(folder)
    todo = [
        number
        for number in range(len(files))
        if not (folder / copy_name(number)).exists() or str(number) not in known
    ]

    def convert(number: int) -> tuple[int, float]:
        photo = load_upright(files[number], size)
        with replacing(folder / copy_name(number)) as temporary:
            photo.save(temporary, compress_level=1)
        return number, sharpness_of_photo(photo)

    with ThreadPoolExecutor(max_workers=min(_MOST_THREADS, usable_cores())) as pool:
        _collect(pool.map(convert, todo), len(todo), known, folder)
    return tuple(known[str(number)] for number in range(len(files)))


def copy_name(number: int) -> str:
    """Return the name of a copy: digits alone, whatever the photo is called."""
    return f"{number:05}.png"


def _collect(results: Iterable[tuple[int, float]], count: int, known: dict[str, float], folder: Path) -> None:
    """Add measured values to the known ones, and store them now and then."""
    for done, (number, value) in enumerate(tqdm(results, "  photos", total=count, unit="photo"), start=1):
        known[str(number)] = value
        if done % _FEWEST_SAVED == 0 or done == count:
            write_json(folder / _SHARPNESS_FILE, known)


def _read_sharpness(folder: Path) -> dict[str, float]:
    """Read the values that an earlier run measured."""
    try:
        content: Mapping[str, float] = json.loads((folder / _SHARPNESS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return dict(content)
