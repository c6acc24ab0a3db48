"""Compares finished runs: their scores as a table, their pictures side by side. Trains nothing."""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from normnex_pl.errors import UserError
from normnex_pl.files import replacing
from normnex_pl.pictures import contact_sheet

Number = int | float | None


@dataclass(frozen=True)
class Column:
    """A number that runs are compared by.

    Attributes:
        name: In the CSV file.
        title: In the Markdown table.
        digits: Behind the point, in the Markdown table.
    """

    name: str
    title: str
    digits: int


COLUMNS = (
    Column("psnr", "PSNR", 2),
    Column("ssim", "SSIM", 3),
    Column("lpips_vgg", "LPIPS", 3),
    Column("highlight_psnr", "highlight PSNR", 2),
    Column("diffuse_psnr", "diffuse PSNR", 2),
    Column("diffuse_psnr_lobe", "diffuse PSNR, where there is any", 2),
    Column("specular_std", "s.d. of gloss over views", 3),
    Column("specular_correlation", "its correlation with the true one", 2),
    Column("normal_mae_deg", "n' to truth, objects (deg)", 1),
    Column("normal_mae_deg_table", "n' to truth, table (deg)", 1),
    Column("target_mae_deg", "n to truth, objects (deg)", 1),
    Column("target_mae_deg_table", "n to truth, table (deg)", 1),
    Column("normal_target_deg", "n' to n (deg)", 1),
    Column("psnr_flat_normals", "PSNR with n' = (0, 0, -1)", 2),
    Column("num_outputs", "outputs", 0),
    Column("stored_mb", "MB", 1),
    Column("million_parameters", "M parameters", 2),
    Column("train_seconds", "seconds", 0),
    Column("ms_per_step", "ms a step", 1),
    Column("peak_gpu_gib", "GiB", 1),
)
_ABOUT = ("row", "seed", "variant", "preset", "steps", "folder", "commit", "failure")


@dataclass(frozen=True)
class Run:
    """One run of a comparison.

    Attributes:
        row: The row of the table that it belongs to.
        seed: Of its random numbers.
        folder: The run folder.
        metrics: The content of its ``metrics.json``; empty if the run failed.
        failure: Why there are no metrics, in a line.
    """

    row: str
    seed: int
    folder: Path
    metrics: dict[str, Any]
    failure: str | None = None

    @property
    def values(self) -> dict[str, Number]:
        """A number, or None, for each of `COLUMNS`: older runs and scenes without truth lack some."""
        test = self.metrics.get("test") or {}
        numbers = {column.name: test.get(column.name, self.metrics.get(column.name)) for column in COLUMNS}
        steps, seconds = self.metrics.get("steps"), self.metrics.get("train_seconds")
        gloss = self.metrics.get("specular_variation") or {}
        return numbers | {
            "specular_std": gloss.get("std"),
            "specular_correlation": gloss.get("correlation"),
            "stored_mb": _scaled(self.metrics.get("stored_bytes"), 1e-6),
            "million_parameters": _scaled(self.metrics.get("num_parameters"), 1e-6),
            "ms_per_step": _scaled(seconds, 1000 / steps) if steps else None,
        }


def read_run(row: str, seed: int, folder: Path) -> Run:
    """Reads what a finished run left behind.

    Raises:
        UserError: There is no readable ``metrics.json``.
    """
    path = folder / "metrics.json"
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: expected the scores of a finished run, found none ({error}). Delete the folder and "
            "train again."
        ) from error
    return Run(row, seed, folder, metrics)


def markdown_table(runs: Sequence[Run]) -> str:
    """A line a row, in the order of the runs; means over the finished seeds, and what failed below it.

    With several seeds, a column tells the standard deviation of PSNR (of a sample: with n - 1).
    """
    several = len({run.seed for run in runs}) > 1
    titles = ["", *(column.title for column in COLUMNS)]
    if several:
        titles.insert(2, "PSNR s.d.")
    lines = [titles]
    for row in dict.fromkeys(run.row for run in runs):
        values = [run.values for run in runs if run.row == row and run.failure is None]
        cells = [format_value(_mean([of[column.name] for of in values]), column.digits) for column in COLUMNS]
        if several:
            cells.insert(1, format_value(_deviation([of["psnr"] for of in values]), 2))
        if not values:
            cells[0] = "failed"
        lines.append([row, *cells])
    notes = [f"- {run.row}, seed {run.seed}, failed: {run.failure}\n" for run in runs if run.failure]
    return "\n".join([aligned(lines), *(["".join(notes)] if notes else [])])


def csv_table(runs: Sequence[Run]) -> str:
    """A line a run, with all digits; nothing stands where a number is missing."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [*_ABOUT, *(column.name for column in COLUMNS)], lineterminator="\n")
    writer.writeheader()
    for run in runs:
        about = {name: run.metrics.get(name) for name in _ABOUT}
        about |= {"row": run.row, "seed": run.seed, "folder": str(run.folder), "failure": run.failure}
        writer.writerow(about | run.values)
    return text.getvalue()


def write_text(path: Path, text: str) -> None:
    """Writes a table, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def comparison_sheet(runs: Sequence[Run]) -> UInt8[np.ndarray, "height width 3"] | None:
    """Shows the first held-out view: the photo, then a column a row of the table; errors below.

    A row's first finished seed stands for it. None if no run has pictures.
    """
    shown: dict[str, Run] = {}
    for run in runs:
        if run.failure is None and run.metrics.get("views"):
            shown.setdefault(run.row, run)
    if not shown:
        return None
    view = next(iter(shown.values())).metrics["views"][0]["name"]
    shown = {row: run for row, run in shown.items() if _picture(run, view, "render").is_file()}
    first = next(iter(shown.values()), None)
    if first is None:
        return None
    photo = _pixels(_picture(first, view, "truth"))
    size = (photo.shape[1], photo.shape[0])
    renders = [_pixels(_picture(run, view, "render"), size) for run in shown.values()]
    errors = [_pixels(_picture(run, view, "error"), size) for run in shown.values()]
    titles = [f"{row} {format_value(_psnr_of(run, view), 2)} dB" for row, run in shown.items()]
    nothing = np.full_like(photo, 255)
    return contact_sheet([[photo, *renders], [nothing, *errors]], ["photo", *titles], [view, "error"])


def format_value(value: Number, digits: int) -> str:
    """A number for people, or a dash."""
    return "-" if value is None else f"{value:.{digits}f}"


def _scaled(value: Number, factor: float) -> Number:
    return None if value is None else value * factor


def _mean(values: Sequence[Number]) -> Number:
    """None where a value is missing: a mean over some of the seeds would mislead."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known and len(known) == len(values) else None


def _deviation(values: Sequence[Number]) -> Number:
    known = [value for value in values if value is not None]
    return statistics.stdev(known) if len(known) > 1 and len(known) == len(values) else None


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Markdown that reads as a table in a terminal too: names to the left, numbers to the right."""
    widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(lines[0]))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    text = ""
    for line in (lines[0], rule, *lines[1:]):
        numbers = (cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))
        text += f"| {' | '.join([line[0].ljust(widths[0]), *numbers])} |\n"
    return text


def _picture(run: Run, view: str, component: str) -> Path:
    return run.folder / "test" / f"{view}_{component}.png"


def _pixels(path: Path, size: tuple[int, int] | None = None) -> UInt8[np.ndarray, "height width 3"]:
    """Reads a picture; one of another size, such as that of an ablation of the width, is scaled."""
    with Image.open(path) as image:
        picture = image.convert("RGB")
    if size and picture.size != size:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(picture)


def _psnr_of(run: Run, view: str) -> Number:
    """Of the view that is shown, as the picture is."""
    return next((scores.get("psnr") for scores in run.metrics["views"] if scores["name"] == view), None)
