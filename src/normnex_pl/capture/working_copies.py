"""Working copies of the photos for all later steps: upright, of one size, in sRGB, lossless; and of masks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from normnex_pl.capture.cores import usable_cores
from normnex_pl.capture.inputs import GivenPhotos
from normnex_pl.capture.photos import load_mask_upright, load_upright
from normnex_pl.capture.sharpness import sharpness_of_photo
from normnex_pl.core.files import replacing, write_json
from normnex_pl.data.photos.mask_files import MASKS

_SHARPNESS_FILE = "sharpness.json"
_FEWEST_SAVED = 8
_MOST_THREADS = 8  # each holds a photo in full size


def copy_photos(given: GivenPhotos, folder: Path) -> tuple[float, ...]:
    """Write ``00000.png``, ``00001.png``, ..., and masks in a folder within; existing ones are kept.

    Args:
        given: The photos, which stay as they are, and the size of the copies.
        folder: An existing folder.

    Returns:
        The sharpness of each photo.

    Raises:
        UserError: A photo or a mask can't be read; the message names it.
    """
    files, size = given.files, given.size
    (folder / MASKS).mkdir(exist_ok=True)
    known = _read_sharpness(folder)
    todo = [
        number
        for number in range(len(files))
        if not (folder / copy_name(number)).exists() or str(number) not in known
    ]

    def convert(number: int) -> tuple[int, float]:
        mask = load_mask_upright(files[number], given.masks[number], size)
        if mask is not None:
            with replacing(mask_of(folder / copy_name(number))) as temporary:
                Image.fromarray(mask.numpy()).save(temporary, "PNG")
        photo = load_upright(files[number], size, given.conversion.white)
        with replacing(folder / copy_name(number)) as temporary:
            photo.save(temporary, compress_level=1)
        return number, sharpness_of_photo(photo)

    with ThreadPoolExecutor(max_workers=min(_MOST_THREADS, usable_cores())) as pool:
        _collect(pool.map(convert, todo), len(todo), known, folder)
    return tuple(known[str(number)] for number in range(len(files)))


def copy_name(number: int) -> str:
    """Return the name of a copy: digits alone, whatever the photo is called."""
    return f"{number:05}.png"


def mask_of(copy: Path) -> Path:
    """Return where the mask of a copy is, if it has one, as COLMAP looks for it."""
    return copy.parent / MASKS / f"{copy.name}.png"


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
