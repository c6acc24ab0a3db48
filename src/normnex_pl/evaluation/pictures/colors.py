"""Colours of pictures for people, stated here once: bytes, colour maps, error maps.

Colours (render, photo, diffuse) are shown as they are. Errors: mean absolute differences over the channels,
by matplotlib's perceptually uniform ``magma`` from 0 (black) to `ERROR_SCALE` and above (pale yellow).

Tint, accumulated opacity and the opacity of layers: grey, 0 black and 1 white. Depth and disparity:
matplotlib's perceptually uniform ``viridis``, each linear in its own unit between the far plane (dark purple)
and the near plane (yellow): nearer is brighter in both. What nothing covers looks as far as the last plane.

Specular: where it may be negative 0.5 + s / 2, so that middle grey is zero; where light can only add, s times
`SPECULAR_GAIN`, so that black is zero. Chroma (Cb, Cr): the colour of luma 0.5 with it, clipped to the gamut.

Normals: turned into the frame of the view's own camera, n_c = R^T n with R the rotation of its ``c2w``; then
(x, -y, -z) of n_c, which in OpenCV axes points right, up and towards the camera, is mapped from [-1, 1] to
red, green and blue. A surface that faces the camera is light blue, (128, 128, 255); one that looks right is
redder, one that looks up greener. No normal (nothing is covered): middle grey.
"""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import torch
from jaxtyping import Float, UInt8
from matplotlib import colormaps
from torch import Tensor

from normnex_pl.core.files import replacing

ERROR_SCALE = 0.25
SPECULAR_GAIN = 2.0


def to_bytes(image: Float[Tensor, "height width 3"]) -> UInt8[np.ndarray, "height width 3"]:
    """Round colours in [0, 1] to bytes."""
    return (image.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()


def mapped_colors(shares: Float[Tensor, "height width"], name: str) -> UInt8[np.ndarray, "height width 3"]:
    """Return the colours of values by one of matplotlib's maps.

    Args:
        shares: Values in [0, 1]; those beyond get the colours of the ends, and NaN that of 0.
        name: Of the map.
    """
    known = shares.nan_to_num(nan=0.0).clamp(0, 1).cpu().numpy()
    return to_bytes(torch.from_numpy(colormaps[name](known)[..., :3]))


def error_picture(errors: Float[Tensor, "height width"]) -> UInt8[np.ndarray, "height width 3"]:
    """Show errors, from none to `ERROR_SCALE` and above."""
    return mapped_colors(errors / ERROR_SCALE, "magma")


def error_map(
    image: Float[Tensor, "height width 3"], truth: Float[Tensor, "height width 3"]
) -> UInt8[np.ndarray, "height width 3"]:
    """Show where an image differs from the truth: the mean absolute difference over the channels."""
    return error_picture((image - truth).abs().mean(dim=-1))


def write_png(path: Path, pixels: UInt8[np.ndarray, "height width 3"]) -> None:
    """Write a PNG, whole or not at all."""
    with replacing(path) as temporary:
        iio.imwrite(temporary, pixels)
