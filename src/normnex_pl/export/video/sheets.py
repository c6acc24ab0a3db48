"""Pages of videos: laid out once, filled for each frame."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from normnex_pl.evaluation.pictures.sheet import Panel, Sheet, in_rows, lay_out


def plain_sheet(panel: Panel) -> Sheet:
    """Return a page that is all picture."""
    return Sheet(np.zeros_like(panel.picture), ((0, 0),))


def sheet_for(panels: Sequence[Panel], columns: int) -> Sheet:
    """Return the page of a video: a single picture needs neither title nor legend if it shows plain colours.

    Args:
        panels: Of any frame; the pictures of all frames have the same sizes.
        columns: Pictures side by side.
    """
    alone = len(panels) == 1 and panels[0].legend is None
    return plain_sheet(panels[0]) if alone else lay_out(in_rows(panels, columns))


def columns_for(count: int) -> int:
    """Return the number of columns of a grid that is about as wide as high."""
    return math.ceil(math.sqrt(count))
