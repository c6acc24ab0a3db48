"""Pages of videos: pictures with titles and legends, where they stay from frame to frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from normnex_pl.evaluation.pictures.legends import Panel

_MARGIN = 8
_TITLE_SIZE = 18
_NO_LEGEND = np.empty((0, 0, 3), np.uint8)


@dataclass(frozen=True)
class Sheet:
    """A page with places for pictures; what is the same in all frames is drawn once.

    Attributes:
        page: Titles and legends on white.
        corners: Row and column of the upper left corner of each picture.
    """

    page: UInt8[np.ndarray, "page_height page_width 3"]
    corners: tuple[tuple[int, int], ...]

    def fill(self, panels: Sequence[Panel]) -> UInt8[np.ndarray, "page_height page_width 3"]:
        """Return a frame: the page with pictures of the size that it was made for."""
        frame = self.page.copy()
        for (top, left), panel in zip(self.corners, panels, strict=True):
            height, width, _ = panel.picture.shape
            frame[top : top + height, left : left + width] = panel.picture
        return frame


def plain_sheet(panel: Panel) -> Sheet:
    """Return a page that is all picture."""
    return Sheet(np.zeros_like(panel.picture), ((0, 0),))


def labelled_sheet(panels: Sequence[Panel], columns: int) -> Sheet:
    """Return a page with a title above each picture, and below it what its colours mean.

    Args:
        panels: Of any frame; their pictures have one size.
        columns: Pictures side by side.
    """
    font = ImageFont.load_default(_TITLE_SIZE)
    titles = [panel.title for panel in panels]
    legends = [_NO_LEGEND if panel.legend is None else panel.legend for panel in panels]
    height, picture_width, _ = panels[0].picture.shape
    width = max(
        picture_width,
        *(math.ceil(font.getlength(title)) for title in titles),
        *(legend.shape[1] for legend in legends),
    )
    line = _TITLE_SIZE + _MARGIN
    rows = [legends[start : start + columns] for start in range(0, len(legends), columns)]
    heights = [line + height + _MARGIN + max(_below(legend) for legend in row) for row in rows]
    size = (_MARGIN + min(columns, len(panels)) * (width + _MARGIN), _MARGIN + sum(heights))
    page = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(page)
    corners = []
    for index, (title, legend) in enumerate(zip(titles, legends, strict=True)):
        row, column = divmod(index, columns)
        top, left = _MARGIN + sum(heights[:row]), _MARGIN + column * (width + _MARGIN)
        draw.text((left, top), title, "black", font)
        corners.append((top + line, left))
        # A line around it, so that white ends somewhere too.
        box = (left - 1, top + line - 1, left + picture_width, top + line + height)
        draw.rectangle(box, outline="silver")
        if legend.size:
            page.paste(Image.fromarray(legend), (left, top + line + height + _MARGIN))
    return Sheet(np.asarray(page), tuple(corners))


def sheet_for(panels: Sequence[Panel], columns: int) -> Sheet:
    """Return the page of a video: only a single picture whose colours speak for themselves needs no words."""
    alone = len(panels) == 1 and panels[0].legend is None
    return plain_sheet(panels[0]) if alone else labelled_sheet(panels, columns)


def columns_for(count: int) -> int:
    """Columns of a grid that is about as wide as high."""
    return math.ceil(math.sqrt(count))


def _below(legend: UInt8[np.ndarray, "_ _ 3"]) -> int:
    """Pixels that a legend needs below its picture."""
    return len(legend) + _MARGIN if legend.size else 0
