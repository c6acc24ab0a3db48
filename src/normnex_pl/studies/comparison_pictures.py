"""Compare finished runs: the pictures of their evaluations side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from normnex_pl.core.errors import UserError
from normnex_pl.evaluation.pictures.components import error_legend
from normnex_pl.evaluation.pictures.sheet import Panel, panel_table
from normnex_pl.evaluation.report import Number, format_value
from normnex_pl.studies.comparison import Run
from normnex_pl.training.run_folder import RunFolder


def comparison_sheet(runs: Sequence[Run]) -> UInt8[np.ndarray, "height width 3"] | None:
    """Draw the first held-out view: the photo, then a column for each row of the table, with errors below.

    Returns:
        The picture, of each row's first finished seed; None if no run has pictures.
    """
    shown: dict[str, Run] = {}
    for run in runs:
        if run.failure is None and run.metrics.get("views"):
            shown.setdefault(run.row, run)
    if not shown:
        return None
    view = first_view(next(iter(shown.values())))
    shown = {row: run for row, run in shown.items() if _picture(run, view, "render").is_file()}
    first = next(iter(shown.values()), None)
    if first is None:
        return None
    photo = Panel("photo", "photo", stored_picture(first, view, "truth"))
    size = (photo.picture.shape[1], photo.picture.shape[0])
    renders = [
        Panel("render", _titled(row, view_psnr(run, view)), stored_picture(run, view, "render", size))
        for row, run in shown.items()
    ]
    errors = [
        Panel("error", "", stored_picture(run, view, "error", size), error_legend()) for run in shown.values()
    ]
    return panel_table([[photo, *renders], [None, *errors]], [view, "error"])


def _titled(row: str, psnr: Number) -> str:
    return f"{row} {format_value(psnr, 2)} dB"


def stored_picture(
    run: Run, view: str, component: str, size: tuple[int, int] | None = None
) -> UInt8[np.ndarray, "height width 3"]:
    """Read a picture that the evaluation of a run has written.

    Args:
        run: A finished run.
        view: Name of a held-out view.
        component: ``render``, ``truth`` or ``error``.
        size: Width and height; pictures of other sizes, as of an ablation of the width, are scaled.

    Raises:
        UserError: There is no such picture.
    """
    path = _picture(run, view, component)
    try:
        with Image.open(path) as image:
            picture = image.convert("RGB")
    except OSError as error:
        raise UserError(
            f"{path}: expected a picture of a finished run, found none ({error}). Write it by "
            "normnex eval RUN."
        ) from error
    if size and picture.size != size:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(picture)


def first_view(run: Run) -> str:
    """Return the name of the first held-out view of a finished run."""
    name: str = run.metrics["views"][0]["name"]
    return name


def view_psnr(run: Run, view: str) -> Number:
    """Return the PSNR of one held-out view; None where it has none."""
    return next((scores.get("psnr") for scores in run.metrics["views"] if scores["name"] == view), None)


def _picture(run: Run, view: str, component: str) -> Path:
    return RunFolder(run.folder).view_picture(view, component)
