"""Compare finished runs: the pictures that their evaluations wrote, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from normnex_pl.core.errors import UserError
from normnex_pl.evaluation.pictures.colors import contact_sheet
from normnex_pl.evaluation.report import Number, format_value
from normnex_pl.studies.comparison import Run
from normnex_pl.training.run_folder import RunFolder


def comparison_sheet(runs: Sequence[Run]) -> UInt8[np.ndarray, "height width 3"] | None:
    """Show the first held-out view: the photo, then a column a row of the table; errors below.

    A row's first finished seed stands for it. None if no run has pictures.
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
    photo = stored_picture(first, view, "truth")
    size = (photo.shape[1], photo.shape[0])
    renders = [stored_picture(run, view, "render", size) for run in shown.values()]
    errors = [stored_picture(run, view, "error", size) for run in shown.values()]
    titles = [f"{row} {format_value(view_psnr(run, view), 2)} dB" for row, run in shown.items()]
    nothing = np.full_like(photo, 255)
    return contact_sheet([[photo, *renders], [nothing, *errors]], ["photo", *titles], [view, "error"])


def stored_picture(
    run: Run, view: str, component: str, size: tuple[int, int] | None = None
) -> UInt8[np.ndarray, "height width 3"]:
    """Read a picture that the evaluation of a run wrote.

    Args:
        run: A finished run.
        view: Name of a held-out view.
        component: ``render``, ``truth`` or ``error``.
        size: Width and height; a picture of another size, as of an ablation of the width, is scaled.

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
            "make eval RUN=..."
        ) from error
    if size and picture.size != size:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(picture)


def first_view(run: Run) -> str:
    """Return the name of the first held-out view of a finished run."""
    name: str = run.metrics["views"][0]["name"]
    return name


def view_psnr(run: Run, view: str) -> Number:
    """Of one held-out view; None where it has none."""
    return next((scores.get("psnr") for scores in run.metrics["views"] if scores["name"] == view), None)


def _picture(run: Run, view: str, component: str) -> Path:
    return RunFolder(run.folder).view_picture(view, component)
