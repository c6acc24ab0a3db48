"""Look for pictures on a sheet."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def places(picture: Pixels, sheet: Pixels) -> list[tuple[int, int]]:
    """Return the rows and columns of all places where the sheet shows the picture, pixel by pixel."""
    height, width = picture.shape[:2]
    corners = np.argwhere((sheet[: -height + 1, : -width + 1] == picture[0, 0]).all(axis=-1))
    return [
        (row, column)
        for row, column in corners
        if np.array_equal(sheet[row : row + height, column : column + width], picture)
    ]


def find(picture: Pixels, sheet: Pixels) -> tuple[int, int]:
    """Return the row and column of the only such place."""
    [place] = places(picture, sheet)
    return place
