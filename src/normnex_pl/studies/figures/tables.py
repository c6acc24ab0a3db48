"""Pictures in rows and columns of a matplotlib figure: the layout of all figures that show pictures.

Plain subplots: ``mpl_toolkits.axes_grid1.ImageGrid`` takes no constrained layout, so titles of several lines,
row labels and colour bars would have to be placed by hand.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from normnex_pl.core.text import literal

Pixels = UInt8[np.ndarray, "_ _ 3"]

WIDTH = 12.0  # inches
_LINE = 0.28  # inches of a line of text


def picture_table(
    rows: Sequence[Sequence[Pixels | None]],
    caption: str,
    titles: Sequence[str],
    labels: Sequence[str] | None = None,
    width: float = WIDTH,
) -> tuple[Figure, list[list[Axes]]]:
    """Lay pictures out in a figure.

    Args:
        rows: Pictures, None for an empty place. All rows have one length, all pictures of a row one shape.
        caption: The text above all.
        titles: Of the columns.
        labels: Of the rows, to their left.
        width: Of the figure in inches.

    Returns:
        The figure, and its axes by row and column, to draw on the pictures.
    """
    heights = [_aspect(row) for row in rows]
    column = width / len(titles)
    height = column * sum(heights) + _LINE * (2 + caption.count("\n") + len(rows) / 2)
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(literal(caption), fontsize=11)
    grid = figure.subplots(len(rows), len(titles), squeeze=False, gridspec_kw={"height_ratios": heights})
    for row, pictures in enumerate(rows):
        for place, picture in enumerate(pictures):
            _show(grid[row, place], picture)
        if labels is not None:
            grid[row, 0].set_ylabel(literal(labels[row]), fontsize=10)
    for place, title in enumerate(titles):
        grid[0, place].set_title(literal(title), fontsize=10)
    return figure, [list(row) for row in grid]


def _aspect(row: Sequence[Pixels | None]) -> float:
    """Return the height over the width of a row's pictures."""
    shape = next(picture.shape for picture in row if picture is not None)
    return float(shape[0] / shape[1])


def _show(axes: Axes, picture: Pixels | None) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)
    if picture is not None:
        axes.imshow(picture, interpolation="nearest" if picture.shape[1] < 160 else "antialiased")
