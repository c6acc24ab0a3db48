"""Pictures in rows and columns, as matplotlib figures: what the other modules lay their pictures out by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
    """Lay pictures out.

    Args:
        rows: As many pictures in each; nothing is drawn for None. The pictures of a row have one shape.
        caption: Above all.
        titles: Of the columns.
        labels: Of the rows, at their left.
        width: Of the figure in inches.

    Returns:
        The figure, and its axes by row and column, for what shall be drawn on the pictures.
    """
    heights = [_aspect(row) for row in rows]
    column = width / len(titles)
    height = column * sum(heights) + _LINE * (2 + caption.count("\n") + len(rows) / 2)
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(caption, fontsize=11)
    grid = figure.subplots(len(rows), len(titles), squeeze=False, gridspec_kw={"height_ratios": heights})
    for row, pictures in enumerate(rows):
        for place, picture in enumerate(pictures):
            _show(grid[row, place], picture)
        if labels is not None:
            grid[row, 0].set_ylabel(labels[row], fontsize=10)
    for place, title in enumerate(titles):
        grid[0, place].set_title(title, fontsize=10)
    return figure, [list(row) for row in grid]


def _aspect(row: Sequence[Pixels | None]) -> float:
    """Height over width of a row's pictures."""
    shape = next(picture.shape for picture in row if picture is not None)
    return float(shape[0] / shape[1])


def _show(axes: Axes, picture: Pixels | None) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)
    if picture is not None:
        axes.imshow(picture, interpolation="nearest" if picture.shape[1] < 160 else "antialiased")
