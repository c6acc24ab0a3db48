"""Pictures for people: bytes, error maps, contact sheets. Colour conventions are stated here once.

Errors are mean absolute differences over the channels, shown by matplotlib's perceptually uniform
``magma`` from 0 (black) to `ERROR_SCALE` and above (pale yellow).

`component_pictures` shows the parts of a model by these:

Colours (render, photo, diffuse) are as they are. Tint, accumulated opacity and the opacity of layers: grey, 0
black and 1 white. Depth and disparity: matplotlib's perceptually uniform ``viridis``, each linear in its
own unit between the far plane (dark purple) and the near plane (yellow): nearer is brighter in both. What
nothing covers looks as far as the last plane.

Specular: where it may be negative 0.5 + s / 2, so that middle grey is zero; where light can only add, s times
`SPECULAR_GAIN`, so that black is zero. Chroma (Cb, Cr): the colour of luma 0.5 with it, clipped to the gamut.

Normals: turned into the frame of the view's own camera, n_c = R^T n with R the rotation of its ``c2w``; then
(x, -y, -z) of n_c, which in OpenCV axes points right, up and towards the camera, is mapped from [-1, 1] to
red, green and blue. A surface that faces the camera is light blue, (128, 128, 255); one that looks right is
redder, one that looks up greener. No normal (nothing is covered): middle grey.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from matplotlib import colormaps
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from normnex_pl.core.files import replacing

ERROR_SCALE = 0.25
SPECULAR_GAIN = 2.0
_MARGIN = 8
_TEXT_SIZE = 18


def to_bytes(image: Float[Tensor, "height width 3"]) -> UInt8[np.ndarray, "height width 3"]:
    """Round colours in [0, 1] to bytes."""
    return (image.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()


def error_map(
    image: Float[Tensor, "height width 3"], truth: Float[Tensor, "height width 3"]
) -> UInt8[np.ndarray, "height width 3"]:
    """Show where an image differs from the truth; see the module's docstring for the colours."""
    error = (image - truth).abs().mean(dim=-1) / ERROR_SCALE
    return to_bytes(torch.from_numpy(colormaps["magma"](error.clamp(0, 1).cpu().numpy())[..., :3]))


def write_png(path: Path, pixels: UInt8[np.ndarray, "height width 3"]) -> None:
    """Write a PNG, whole or not at all."""
    with replacing(path) as temporary:
        Image.fromarray(pixels).save(temporary)


def _error_legend(width: int) -> Image.Image:
    """Return a colour bar from no error to the largest one shown."""
    ramp = colormaps["magma"](np.linspace(0, 1, width))[None, :, :3].repeat(_TEXT_SIZE // 2, axis=0)
    return Image.fromarray((ramp * 255).round().astype(np.uint8))


def contact_sheet(
    rows: Sequence[Sequence[UInt8[np.ndarray, "height width 3"]]],
    titles: Sequence[str],
    labels: Sequence[str],
) -> UInt8[np.ndarray, "sheet_height sheet_width 3"]:
    """Put pictures of one size into a table: a row a view; the last column holds error maps.

    Args:
        rows: The pictures.
        titles: Of the columns.
        labels: Of the rows, written above them.
    """
    height, width = rows[0][0].shape[:2]
    line = _TEXT_SIZE + 2 * _MARGIN
    font = ImageFont.load_default(_TEXT_SIZE)
    sheet = Image.new(
        "RGB",
        (len(titles) * (width + _MARGIN) + _MARGIN, 2 * line + len(rows) * (height + line) + _MARGIN),
        "white",
    )
    draw = ImageDraw.Draw(sheet)
    for column, title in enumerate(titles):
        draw.text((_MARGIN + column * (width + _MARGIN), _MARGIN), title, "black", font)
    for row, (pictures, label) in enumerate(zip(rows, labels, strict=True)):
        top = line + row * (height + line)
        draw.text((_MARGIN, top + _MARGIN), label, "black", font)
        for column, picture in enumerate(pictures):
            sheet.paste(Image.fromarray(picture), (_MARGIN + column * (width + _MARGIN), top + line))
    left = _MARGIN + (len(titles) - 1) * (width + _MARGIN)
    bottom = sheet.height - line
    legend = f"error 0 to {ERROR_SCALE:g}"
    bar = max(1, width - math.ceil(font.getlength(legend)) - _MARGIN)
    sheet.paste(_error_legend(bar), (left, bottom + _TEXT_SIZE // 4))
    draw.text((left + bar + _MARGIN, bottom), legend, "black", font)
    return np.asarray(sheet)
