"""A synthetic scene of any size: smooth colours, cameras that face forward.

Times and memory don't depend on the content of photos. The scene is written in LLFF's layout, so that it is
loaded by the package's own reader.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

NEAR, FAR = 4.0, 40.0  # depth bounds, in units of the files
_REACH = 0.3  # largest offset of the cameras' positions, in the same units
_FOCAL = 0.8  # focal length over the width of the photos


def write_scene(folder: Path, views: int, width: int, height: int, seed: int = 0) -> Path:
    """Write photos and ``poses_bounds.npy``.

    Args:
        folder: Created if it doesn't exist.
        views: Number of photos; every eighth is held out.
        width: Width of the photos in pixels.
        height: Height of the photos in pixels.
        seed: Seed of colours and positions.

    Returns:
        The folder.
    """
    (folder / "images").mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    for number in range(views):
        coarse = torch.rand(1, 3, 6, 8, generator=generator)
        smooth = F.interpolate(coarse, (height, width), mode="bicubic", align_corners=False)[0].clamp(0, 1)
        pixels = (255 * smooth.movedim(0, -1)).byte().numpy()
        Image.fromarray(pixels).save(folder / "images" / f"view_{number:03d}.jpg", quality=90)
    np.save(folder / "poses_bounds.npy", _poses(views, width, height, seed))
    return folder


def _poses(views: int, width: int, height: int, seed: int) -> np.ndarray:
    """Return rows of 17 numbers: columns down, right, backward, position, (height, width, focal); bounds."""
    positions = np.random.default_rng(seed).uniform(-_REACH, _REACH, (views, 3)) * [1, 1, 0.1]
    rows = []
    for position in positions:
        axes = np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1.0]])  # columns in the axes right, up, backward
        matrix = np.column_stack([axes, position, [height, width, _FOCAL * width]])
        rows.append(np.append(matrix.ravel(), (NEAR, FAR)))
    return np.array(rows)
