"""Picture sheets: panels in rows and columns on one page, with titles, row labels and legends.

Pillow draws the page: pictures keep their pixels, and a page that is laid out once is filled for each frame
of a video. (``torchvision.utils.make_grid`` knows neither text nor legends and takes pictures of one size
only; matplotlib resamples pictures and needs 400 to 900 ms a frame, where filling a page needs 2.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

TITLE_SIZE = 18
_MARGIN = 8
_LINE = TITLE_SIZE + _MARGIN
# Wider pictures are shown smaller in a grid; their own files have all pixels.
_LARGEST_WIDTH = 504


@dataclass(frozen=True)
class Panel:
    """A picture with what explains it.

    Attributes:
        name: The component's name in file names.
        title: The text above the picture; empty for none.
        picture: sRGB bytes.
        legend: What its colours mean, where they are not simply colours.
    """

    name: str
    title: str
    picture: UInt8[np.ndarray, "height width 3"]
    legend: UInt8[np.ndarray, "legend_height legend_width 3"] | None = None


@dataclass(frozen=True)
class Sheet:
    """A page with places for pictures.

    Attributes:
        page: Titles, labels, legends and frames of the pictures on white.
        corners: Row and column of the upper left corner of each picture, row by row.
    """

    page: UInt8[np.ndarray, "page_height page_width 3"]
    corners: tuple[tuple[int, int], ...]

    def fill(self, panels: Sequence[Panel]) -> UInt8[np.ndarray, "page_height page_width 3"]:
        """Return the page with the pictures of some panels, of the sizes that it was laid out for."""
        filled = self.page.copy()
        for (top, left), panel in zip(self.corners, panels, strict=True):
            height, width, _ = panel.picture.shape
            filled[top : top + height, left : left + width] = panel.picture
        return filled


@dataclass(frozen=True)
class _Row:
    """Panels side by side, None for an empty place, and the label of the row; empty for none."""

    panels: Sequence[Panel | None]
    label: str

    @property
    def shown(self) -> list[Panel]:
        """All panels but the empty places."""
        return [panel for panel in self.panels if panel is not None]

    @property
    def title_height(self) -> int:
        """Pixels of the line of titles."""
        return _LINE if any(panel.title for panel in self.shown) else 0

    @property
    def picture_top(self) -> int:
        """Pixels from the top of the row to its pictures: titles, then the label."""
        return self.title_height + (_LINE if self.label else 0)

    @property
    def height(self) -> int:
        """Pixels of the row, with the margin below it."""
        pictures = max(len(panel.picture) for panel in self.shown)
        legends = [len(panel.legend) + _MARGIN for panel in self.shown if panel.legend is not None]
        return self.picture_top + pictures + _MARGIN + max(legends, default=0)


def lay_out(rows: Sequence[Sequence[Panel | None]], labels: Sequence[str] | None = None) -> Sheet:
    """Draw everything but the pictures.

    All columns have one width, which fits the widest picture, title and legend.

    Args:
        rows: Panels, None for an empty place; rows may be of different lengths.
        labels: Of the rows, written between their titles and their pictures.
    """
    labels = [""] * len(rows) if labels is None else labels
    lines = [_Row(panels, label) for panels, label in zip(rows, labels, strict=True)]
    column = _column_width([panel for line in lines for panel in line.shown]) + _MARGIN
    width = max(*(column * len(line.panels) for line in lines), *(_text_width(x) + _MARGIN for x in labels))
    page = Image.new("RGB", (_MARGIN + width, _MARGIN + sum(line.height for line in lines)), "white")
    corners: list[tuple[int, int]] = []
    top = _MARGIN
    for line in lines:
        corners += _draw_row(page, line, top, column)
        top += line.height
    return Sheet(np.asarray(page), tuple(corners))


def in_rows(panels: Sequence[Panel], columns: int) -> list[Sequence[Panel]]:
    """Break a sequence of panels into rows."""
    return [panels[start : start + columns] for start in range(0, len(panels), columns)]


def panel_grid(panels: Sequence[Panel], columns: int) -> UInt8[np.ndarray, "height width 3"]:
    """Show panels one after the other, each under its title and above its legend; wide ones smaller."""
    small = [replace(panel, picture=shrink(panel.picture, _LARGEST_WIDTH)) for panel in panels]
    return lay_out(in_rows(small, columns)).fill(small)


def panel_table(
    rows: Sequence[Sequence[Panel | None]], labels: Sequence[str]
) -> UInt8[np.ndarray, "height width 3"]:
    """Show panels that mean the same in each row, with all their pixels.

    The titles of the first row are the heads of the columns, and the legends of the last row explain them.

    Args:
        rows: Panels, None for an empty place.
        labels: Of the rows, written above their pictures.
    """
    untitled = [[panel and replace(panel, title="") for panel in row] for row in rows[1:]]
    titled = [rows[0], *untitled]
    unexplained = [[panel and replace(panel, legend=None) for panel in row] for row in titled[:-1]]
    table = [*unexplained, titled[-1]]
    return lay_out(table, labels).fill([panel for row in table for panel in row if panel is not None])


def shrink(
    picture: UInt8[np.ndarray, "_ _ 3"], width: int
) -> UInt8[np.ndarray, "shown_height shown_width 3"]:
    """Return the picture itself, or a smaller one if it is wider than some pixels."""
    height, own_width, _ = picture.shape
    if own_width <= width:
        return picture
    size = width, max(1, round(height * width / own_width))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def _draw_row(page: Image.Image, row: _Row, top: int, column: int) -> Iterator[tuple[int, int]]:
    """Draw a row without its pictures, and yield their corners."""
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(TITLE_SIZE)
    draw.text((_MARGIN, top + row.title_height), row.label, "black", font)
    for place, panel in enumerate(row.panels):
        if panel is None:
            continue
        left, picture_top = _MARGIN + place * column, top + row.picture_top
        height, width, _ = panel.picture.shape
        draw.text((left, top), panel.title, "black", font)
        # A line around the picture, so that white has a visible end.
        draw.rectangle((left - 1, picture_top - 1, left + width, picture_top + height), outline="silver")
        if panel.legend is not None:
            page.paste(Image.fromarray(panel.legend), (left, picture_top + height + _MARGIN))
        yield picture_top, left


def _column_width(panels: Sequence[Panel]) -> int:
    """Return the pixels in which every picture, title and legend fits."""
    pictures = [panel.picture.shape[1] for panel in panels]
    titles = [_text_width(panel.title) for panel in panels]
    legends = [panel.legend.shape[1] for panel in panels if panel.legend is not None]
    return max(*pictures, *titles, *legends)


def _text_width(text: str) -> int:
    return math.ceil(ImageFont.load_default(TITLE_SIZE).getlength(text))
