"""A folder of photos as phones make them, and the scene that is prepared from it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image

from capture.rendering import facing_cameras, lens, render, room
from normnex_pl.cli.main import main

pillow_heif.register_heif_opener()

SIZE = (480, 360)
FOCAL, K1 = 400.0, -0.08
# Photo 4 was exposed longer, by this factor of the bytes.
BRIGHTER = 1.25
# Photo 3, which is stored sideways, has a mask as it is stored: black in these columns and rows, upright.
MASKED, HIDDEN = 3, (slice(200, 290), slice(90, 190))


@dataclass(frozen=True)
class Shoot:
    """Photos in a folder, and the cameras that took them."""

    folder: Path
    c2w: NDArray[np.float64]


@dataclass(frozen=True)
class Prepared:
    """A scene, and the terminal's output about it."""

    shoot: Shoot
    scene: Path
    output: str
    before: dict[str, tuple[bytes, int]]


def call(*words: str | Path) -> tuple[int, str]:
    """Run ``normnex prepare``; return the exit status and the output."""
    text = io.StringIO()
    status = 0
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        try:
            main(["prepare", *map(str, words)])
        except SystemExit as end:
            status = int(end.code or 0)
    return status, text.getvalue()


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return the bytes and modification times of the files in a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def take_photos(folder: Path, c2w: NDArray[np.float64]) -> Shoot:
    """Render photos as JPEG stored sideways, HEIC, and PNG of twice the size; one is overexposed."""
    folder.mkdir(parents=True)
    for number, pose in enumerate(c2w):
        photo = Image.fromarray(render(lens(*SIZE, FOCAL, K1), pose, room()))
        name = f"IMG {number:04}"
        if number == 1:
            photo.save(folder / f"{name}.HEIC", quality=95)
        elif number == 2:
            photo.resize((2 * SIZE[0], 2 * SIZE[1]), Image.Resampling.BICUBIC).save(folder / f"{name}.png")
        elif number == 4:
            save_sideways(
                photo.point(lambda value: min(255, round(value * BRIGHTER))), folder / f"{name}.jpg"
            )
        elif number % 2:
            save_sideways(photo, folder / f"{name}.jpg")
        else:
            photo.save(folder / f"{name}.JPG", quality=95)
    (folder / "notes.txt").write_text("not a photo")
    return Shoot(folder, c2w)


def save_sideways(photo: Image.Image, path: Path) -> None:
    """Store a photo turned by 90 degrees, with the EXIF orientation that turns it back."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    photo.transpose(Image.Transpose.ROTATE_90).save(path, quality=95, exif=exif)


def write_mask(path: Path) -> None:
    """Write the mask of a photo that is stored sideways."""
    mask = np.full(SIZE[::-1], 255, dtype=np.uint8)
    mask[HIDDEN[1], HIDDEN[0]] = 0
    path.parent.mkdir()
    Image.fromarray(mask).transpose(Image.Transpose.ROTATE_90).save(path)


def write_images(folder: Path, names: Sequence[str], size: tuple[int, int] = (320, 240)) -> Path:
    """Write pictures of random blobs that have nothing in common."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        small = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(folder / name)
    return folder


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Prepare a scene of twelve photos through the command line."""
    root = tmp_path_factory.mktemp("capture")
    shoot = take_photos(root / "my photos", facing_cameras(12))
    write_mask(root / "masks" / f"IMG {MASKED:04}.jpg.png")
    before = contents(shoot.folder)
    status, output = call(shoot.folder, root / "my scene")
    assert status == 0, output
    return Prepared(shoot, root / "my scene", output, before)
