"""Legends and sheets: what tells a person how to read a picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

LEGEND_WIDTH = 240
SYMBOL_SIZE = 72  # pixels along a sphere or a plane of colours
_BAR_HEIGHT = 12
_MARGIN = 8
_TITLE_SIZE = 18
_TEXT_SIZE = 14
# Pictures are shown smaller on a sheet if they are wider; their own files have all pixels.
_LARGEST_WIDTH = 504

Pixels = UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True)
class Panel:
    """A picture with what explains it.

    Attributes:
        name: The component's name in file names.
        title: What a person reads above it.
        picture: sRGB bytes.
        legend: What its colours mean, where they are not simply colours.
    """

    name: str
    title: str
    picture: UInt8[np.ndarray, "height width 3"]
    legend: UInt8[np.ndarray, "legend_height legend_width 3"] | None = None


def bar_legend(
    show: Callable[[Float[Tensor, "height width"]], Pixels], left: float, right: float, unit: str = ""
) -> UInt8[np.ndarray, "height width 3"]:
    """Return a colour bar with the numbers at its ends and in its middle.

    Args:
        show: Gives values their colours: the function that made the picture, so that they can't differ.
        left: Value at the left end.
        right: Value at the right end.
        unit: Follows the number in the middle.
    """
    values = torch.linspace(left, right, LEGEND_WIDTH - 1)
    page = _page(_BAR_HEIGHT + _TEXT_SIZE + _MARGIN)
    page.paste(Image.fromarray(show(values.expand(_BAR_HEIGHT, -1))))
    draw, top = ImageDraw.Draw(page), _BAR_HEIGHT + 3
    # A line below, so that white ends somewhere too.
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
    """Normals of a sphere as a distant camera sees it, in that camera's OpenCV axes; zero beside it."""
    across = (2 * torch.arange(size) + 1) / size - 1
    y, x = torch.meshgrid(across, across, indexing="ij")
    squared = x.square() + y.square()
    normals = torch.stack([x, y, -(1 - squared).clamp(min=0).sqrt()], dim=-1)
    return torch.where(squared[..., None] <= 1, normals, 0.0)


def chroma_plane(size: int = SYMBOL_SIZE) -> Float[Tensor, "size size 2"]:
    """Return all chromas: Cb grows to the right and Cr upwards, from -0.5 to 0.5."""
    across = (torch.arange(size) + 0.5) / size - 0.5
    cr, cb = torch.meshgrid(-across, across, indexing="ij")
    return torch.stack([cb, cr], dim=-1)


def panel_sheet(rows: Sequence[Sequence[Panel]]) -> UInt8[np.ndarray, "height width 3"]:
    """Lay panels out in rows, each with its title above and its legend below.

    Args:
        rows: Their pictures have one size, apart from legends; rows may be of different lengths.
    """
    font = ImageFont.load_default(_TITLE_SIZE)
    pictures = [[_small(panel.picture) for panel in row] for row in rows]
    titles = [math.ceil(font.getlength(panel.title)) for row in rows for panel in row]
    width = max(LEGEND_WIDTH, *titles, *(picture.width for row in pictures for picture in row))
    line = _TITLE_SIZE + _MARGIN
    heights = [
        line
        + max(picture.height for picture in some)
        + max((_MARGIN + len(panel.legend) for panel in row if panel.legend is not None), default=0)
        + _MARGIN
        for row, some in zip(rows, pictures, strict=True)
    ]
    columns = max(len(row) for row in rows)
    sheet = Image.new("RGB", (_MARGIN + columns * (width + _MARGIN), _MARGIN + sum(heights)), "white")
    draw = ImageDraw.Draw(sheet)
    top = _MARGIN
    for row, some, height in zip(rows, pictures, heights, strict=True):
        for column, (panel, picture) in enumerate(zip(row, some, strict=True)):
            left = _MARGIN + column * (width + _MARGIN)
            draw.text((left, top), panel.title, "black", font)
            sheet.paste(picture, (left, top + line))
            if panel.legend is not None:
                sheet.paste(Image.fromarray(panel.legend), (left, top + line + picture.height + _MARGIN))
        top += height
    return np.asarray(sheet)


def _small(picture: Pixels) -> Image.Image:
    """Return the picture itself, or a smaller one if it is too wide for a sheet."""
    image = Image.fromarray(picture)
    if image.width <= _LARGEST_WIDTH:
        return image
    height = max(1, round(image.height * _LARGEST_WIDTH / image.width))
    return image.resize((_LARGEST_WIDTH, height), Image.Resampling.LANCZOS)


def _page(height: int) -> Image.Image:
    return Image.new("RGB", (LEGEND_WIDTH, height), "white")
