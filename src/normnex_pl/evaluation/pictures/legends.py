"""Legends: colour bars and colour symbols that explain a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

LEGEND_WIDTH = 240
SYMBOL_SIZE = 72  # pixels along a sphere or a plane of colours
_BAR_HEIGHT = 12
_MARGIN = 8
_TEXT_SIZE = 14
Pixels = UInt8[np.ndarray, "height width 3"]


def bar_legend(
    show: Callable[[Float[Tensor, "height width"]], Pixels], left: float, right: float, unit: str = ""
) -> UInt8[np.ndarray, "height width 3"]:
    """Return a colour bar with the numbers at its ends and in its middle.

    Args:
        show: Maps values to colours: the function that makes the picture, so that the two can't differ.
        left: Value at the left end.
        right: Value at the right end.
        unit: Text after the number in the middle.
    """
    values = torch.linspace(left, right, LEGEND_WIDTH - 1)
    page = _page(_BAR_HEIGHT + _TEXT_SIZE + _MARGIN)
    page.paste(Image.fromarray(show(values.expand(_BAR_HEIGHT, -1))))
    draw, top = ImageDraw.Draw(page), _BAR_HEIGHT + 3
    # A line below and to the right, so that white has a visible end.
    draw.line([(0, _BAR_HEIGHT), (LEGEND_WIDTH - 1, _BAR_HEIGHT)], "black")
    draw.line([(LEGEND_WIDTH - 1, 0), (LEGEND_WIDTH - 1, _BAR_HEIGHT)], "black")
    font = ImageFont.load_default(_TEXT_SIZE)
    draw.text((0, top), f"{left:.3g}", "black", font)
    draw.text((LEGEND_WIDTH / 2, top), f"{(left + right) / 2:.3g}{unit}", "black", font, anchor="ma")
    draw.text((LEGEND_WIDTH - 1, top), f"{right:.3g}", "black", font, anchor="ra")
    return np.asarray(page)


def symbol_legend(
    symbol: UInt8[np.ndarray, "size size 3"], lines: Sequence[str]
) -> UInt8[np.ndarray, "height width 3"]:
    """Return a small picture with lines of text beside it."""
    page = _page(max(len(symbol), len(lines) * (_TEXT_SIZE + 4)))
    page.paste(Image.fromarray(symbol))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(_TEXT_SIZE)
    for row, line in enumerate(lines):
        draw.text((symbol.shape[1] + _MARGIN, row * (_TEXT_SIZE + 4)), line, "black", font)
    return np.asarray(page)


def sphere_normals(size: int = SYMBOL_SIZE) -> Float[Tensor, "size size 3"]:
    """Return the normals of a sphere seen from afar, in the camera's OpenCV axes; zero outside of it."""
    across = (2 * torch.arange(size) + 1) / size - 1
    y, x = torch.meshgrid(across, across, indexing="ij")
    squared = x.square() + y.square()
    normals = torch.stack([x, y, -(1 - squared).clamp(min=0).sqrt()], dim=-1)
    return torch.where(squared[..., None] <= 1, normals, 0.0)


def chroma_plane(size: int = SYMBOL_SIZE) -> Float[Tensor, "size size 2"]:
    """Return all chromas: Cb increases to the right and Cr upwards, from -0.5 to 0.5."""
    across = (torch.arange(size) + 0.5) / size - 0.5
    cr, cb = torch.meshgrid(-across, across, indexing="ij")
    return torch.stack([cb, cr], dim=-1)


def _page(height: int) -> Image.Image:
    return Image.new("RGB", (LEGEND_WIDTH, height), "white")
