"""Spoil the training photos of a scene in LLFF layout: something moves through it, or exposures differ.

    python experiments/scenes/spoil.py scenes/demo moving --moving
    python experiments/scenes/spoil.py scenes/demo moving_masked --moving --masks
    python experiments/scenes/spoil.py scenes/demo uneven --stops 0.5

Held-out photos stay as they are, so that scores tell what is lost, and what masks (docs/guides/masks.md) or
learned exposures (docs/guides/exposure.md) bring back.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

HELD_OUT_EVERY = 8
RADIUS = 0.11  # of the moving thing, in widths
MARGIN = 0.012  # of its mask, in widths: filters mix pixels across a border
TINT = 0.2  # of the stops: how much the channels differ
GAMMA = 2.2


def parse_arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("scene", type=Path, help="folder with images/ and poses_bounds.npy")
    parser.add_argument("output", type=Path, help="folder to create")
    parser.add_argument("--moving", action="store_true", help="paste a ball that rolls from left to right")
    parser.add_argument("--masks", action="store_true", help="write the masks of what moves")
    parser.add_argument("--stops", type=float, default=0.0, help="largest difference of exposure, up or down")
    parser.add_argument("--seed", type=int, default=0, help="of the exposures")
    return parser.parse_args()


def paste_ball(photo: Image.Image, place: float) -> tuple[Image.Image, Image.Image]:
    """Paste a checkered ball, and return its mask.

    Args:
        photo: Is changed.
        place: From 0, at the left border, to 1, at the right one.
    """
    width, height = photo.size
    radius, x = RADIUS * width, place * width
    y = height * (0.55 + 0.25 * np.sin(9 * place))
    disc = Image.new("1", photo.size)
    ImageDraw.Draw(disc).ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    odd = ((columns - x) // (radius / 3) + (rows - y) // (radius / 3)) % 2 == 1
    pattern = np.where(odd[..., None], [235, 60, 40], [250, 240, 70]).astype(np.uint8)
    photo.paste(Image.fromarray(pattern), mask=disc)
    reach = radius + max(2, MARGIN * width)
    mask = Image.new("1", photo.size, 1)
    ImageDraw.Draw(mask).ellipse((x - reach, y - reach, x + reach, y + reach), fill=0)
    return photo, mask


def expose(photo: Image.Image, stops: np.ndarray) -> Image.Image:
    """Return a photo as another exposure and white balance would show it.

    Args:
        photo: sRGB.
        stops: For each channel, factors of 2 of the light.
    """
    light = (np.asarray(photo) / 255) ** GAMMA * 2.0**stops
    return Image.fromarray(np.round(255 * np.clip(light, 0, 1) ** (1 / GAMMA)).astype(np.uint8))


def main() -> None:
    """Write the spoilt scene."""
    arguments = parse_arguments()
    if arguments.output.exists():
        sys.exit(f"{arguments.output} exists already: remove it or choose another folder.")
    photos = sorted((arguments.scene / "images").iterdir())
    train = [path for index, path in enumerate(photos) if index % HELD_OUT_EVERY]
    rng = np.random.default_rng(arguments.seed)
    stops = rng.uniform(-1, 1, (len(train), 1)) + TINT * rng.uniform(-1, 1, (len(train), 3))
    stops -= stops.mean(axis=0)
    stops *= arguments.stops / np.abs(stops).max()
    (arguments.output / "images").mkdir(parents=True)
    if arguments.masks:
        (arguments.output / "masks").mkdir()
    shutil.copy(arguments.scene / "poses_bounds.npy", arguments.output)
    for path in photos:
        with Image.open(path) as image:
            photo = image.convert("RGB")
        if path in train:
            index = train.index(path)
            if arguments.moving:
                photo, mask = paste_ball(photo, (index + 0.5) / len(train))
                if arguments.masks:
                    mask.save(arguments.output / "masks" / f"{path.stem}.png")
            if arguments.stops:
                photo = expose(photo, stops[index])
        photo.save(arguments.output / "images" / f"{path.stem}.png")


if __name__ == "__main__":
    main()
