"""Held-out views side by side: the photo, the renders of runs, details and errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from normnex_pl.core.errors import UserError
from normnex_pl.evaluation.pictures.colors import ERROR_SCALE
from normnex_pl.evaluation.report import format_value
from normnex_pl.studies.comparison import Run
from normnex_pl.studies.comparison_pictures import first_view, stored_picture, view_psnr
from normnex_pl.studies.figures.captions import finished, runs_caption
from normnex_pl.studies.figures.tables import picture_table

_COLORS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231")


@dataclass(frozen=True)
class Crop:
    """A detail of a picture, as shares of its width and height in [0, 1].

    Attributes:
        left: The left border.
        top: The upper border.
        width: The width.
        height: The height.

    Raises:
        UserError: The detail isn't within the picture.
    """

    left: float
    top: float
    width: float
    height: float

    def __post_init__(self) -> None:
        ends = (self.left + self.width, self.top + self.height)
        # Written so that NaN fails.
        if not (self.left >= 0 and self.top >= 0 and self.width > 0 and self.height > 0 and max(ends) <= 1):
            raise UserError(f"{self}: expected shares of the picture within [0, 1], found others.")

    def box(self, picture: UInt8[np.ndarray, "height width 3"]) -> tuple[int, int, int, int]:
        """Return left, top, width and height in pixels; width and height are at least 1."""
        height, width = picture.shape[:2]
        left = min(round(self.left * width), width - 1)
        top = min(round(self.top * height), height - 1)
        return left, top, max(1, round(self.width * width)), max(1, round(self.height * height))

    def of(self, picture: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "rows columns 3"]:
        """Cut the detail out of a picture."""
        left, top, width, height = self.box(picture)
        return picture[top : top + height, left : left + width]


def views_figure(runs: Sequence[Run], view: str | None = None, crops: Sequence[Crop] = ()) -> Figure:
    """Show a held-out view: the photo, then the render of each run in a column of its own.

    Args:
        runs: Of one scene; failed ones are skipped.
        view: Its name; None for the first held-out one.
        crops: Details, each in a row of its own.

    Raises:
        UserError: No run finished, or one has no such view.
    """
    runs = finished(runs)
    caption = runs_caption(runs)
    view = first_view(runs[0]) if view is None else view
    photo = stored_picture(runs[0], view, "truth")
    size = (photo.shape[1], photo.shape[0])
    whole = [photo, *(stored_picture(run, view, "render", size) for run in runs)]
    errors = [None, *(stored_picture(run, view, "error", size) for run in runs)]
    details = [[crop.of(picture) for picture in whole] for crop in crops]
    titles = ["photo", *(f"{run.row}\n{format_value(view_psnr(run, view), 2)} dB" for run in runs)]
    labels = [view, *(f"detail {place + 1}" for place in range(len(crops))), f"error, 0 to {ERROR_SCALE:g}"]
    figure, axes = picture_table([whole, *details, errors], f"{view} of {caption}", titles, labels)
    for place, crop in enumerate(crops):
        left, top, width, height = crop.box(photo)
        color = _COLORS[place % len(_COLORS)]
        axes[0][0].add_patch(
            Rectangle((left - 0.5, top - 0.5), width, height, fill=False, edgecolor=color, linewidth=1.5)
        )
        for some in axes[1 + place]:
            for side in some.spines.values():
                side.set(visible=True, edgecolor=color, linewidth=1.5)
    return figure
