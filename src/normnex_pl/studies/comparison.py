"""Compare finished runs: their scores as a table. Trains nothing."""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from normnex_pl.core.errors import UserError
from normnex_pl.evaluation.report import Number, format_value
from normnex_pl.training.run_folder import RunFolder


@dataclass(frozen=True)
class Column:
    """A number that runs are compared by.

    Attributes:
        name: Its column of the CSV file.
        title: Its column of the Markdown table.
        digits: After the decimal point, in the Markdown table.
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
    Column("diffuse_psnr_lobe", "diffuse PSNR, diffuse surfaces", 2),
    Column("specular_std", "s.d. of highlights over views", 3),
    Column("specular_correlation", "correlation with true highlights", 2),
    Column("normal_mae_deg", "normal error, objects (deg)", 1),
    Column("normal_mae_deg_table", "normal error, table (deg)", 1),
    Column("target_mae_deg", "estimated normal error, objects (deg)", 1),
    Column("target_mae_deg_table", "estimated normal error, table (deg)", 1),
    Column("normal_target_deg", "predicted to estimated (deg)", 1),
    Column("psnr_flat_normals", "PSNR, constant normals", 2),
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
        """A number for each of `COLUMNS`; None where an older run, or a scene without truth, has none."""
        test, variation = part_of(self.metrics, "test"), part_of(self.metrics, "specular_variation")
        known = {column.name: _number({**self.metrics, **test}, column.name) for column in COLUMNS}
        steps, seconds = _number(self.metrics, "steps"), _number(self.metrics, "train_seconds")
        return known | {
            "specular_std": _number(variation, "std"),
            "specular_correlation": _number(variation, "correlation"),
            "stored_mb": _scaled(_number(self.metrics, "stored_bytes"), 1e-6),
            "million_parameters": _scaled(_number(self.metrics, "num_parameters"), 1e-6),
            "ms_per_step": _scaled(seconds, 1000 / steps) if steps else None,
        }


def read_run(row: str, seed: int, folder: Path) -> Run:
    """Read the scores of a finished run.

    Raises:
        UserError: There is no readable ``metrics.json``.
    """
    path = RunFolder(folder).metrics
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(metrics, dict):
            raise ValueError(f"no scores with names, but {type(metrics).__name__}")
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: expected the scores of a finished run, found none ({error}). Delete the folder and "
            "train again."
        ) from error
    return Run(row, seed, folder, metrics)


def read_comparison(folder: Path) -> list[Run]:
    """Read the runs of a comparison that `normnex compare` wrote, in the order of its table.

    Raises:
        UserError: There is no table, or a run of it isn't there.
    """
    path = folder / "table.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            # The folder may have been moved since the table was written.
            rows = [
                (row["row"], int(row["seed"]), folder / "runs" / Path(row["folder"]).name, row["failure"])
                for row in csv.DictReader(file)
            ]
        if not rows:
            raise ValueError("no rows")
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{path}: expected the table of a comparison, found none ({error!r}). Write it by "
            "normnex compare SCENE."
        ) from error
    return [
        Run(row, seed, place, {}, failure) if failure else read_run(row, seed, place)
        for row, seed, place, failure in rows
    ]


def named_columns(*names: str) -> tuple[Column, ...]:
    """Return some of `COLUMNS`, in this order.

    Raises:
        UserError: There is no column of a name.
    """
    known = {column.name: column for column in COLUMNS}
    if unknown := [name for name in names if name not in known]:
        raise UserError(f"columns: expected some of {', '.join(known)}, found {', '.join(unknown)}.")
    return tuple(known[name] for name in names)


def markdown_table(runs: Sequence[Run], columns: Sequence[Column] = COLUMNS) -> str:
    """Return Markdown with a line per row, in the order of the runs, and failed runs below.

    A cell is the mean over the finished seeds. With several seeds, a column after PSNR has its sample
    standard deviation (with n - 1).
    """
    several = len({run.seed for run in runs}) > 1
    titles = ["", *(column.title for column in columns)]
    if several:
        titles.insert(2, "PSNR s.d.")
    lines = [titles]
    for row in dict.fromkeys(run.row for run in runs):
        values = [run.values for run in runs if run.row == row and run.failure is None]
        cells = [format_value(_mean([of[column.name] for of in values]), column.digits) for column in columns]
        if several:
            cells.insert(1, format_value(_deviation([of["psnr"] for of in values]), 2))
        if not values:
            cells[0] = "failed"
        lines.append([row, *cells])
    notes = [f"- {run.row}, seed {run.seed}, failed: {run.failure}\n" for run in runs if run.failure]
    return "\n".join([aligned(lines), *(["".join(notes)] if notes else [])])


def csv_table(runs: Sequence[Run]) -> str:
    """Return CSV with a line per run and all digits; cells of missing numbers are empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [*_ABOUT, *(column.name for column in COLUMNS)], lineterminator="\n")
    writer.writeheader()
    for run in runs:
        about = {name: run.metrics.get(name) for name in _ABOUT}
        about |= {"row": run.row, "seed": run.seed, "folder": str(run.folder), "failure": run.failure}
        writer.writerow(about | run.values)
    return text.getvalue()


def part_of(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a part of a run's scores or settings; empty where there is none."""
    part = content.get(name)
    return part if isinstance(part, dict) else {}


def _number(content: Mapping[str, Any], name: str) -> Number:
    """Return a number among a run's scores; None where there is none, or something else."""
    value = content.get(name)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _scaled(value: Number, factor: float) -> Number:
    return None if value is None else value * factor


def _mean(values: Sequence[Number]) -> Number:
    """Return the mean; None if a value is missing: a mean over some seeds would mislead."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known and len(known) == len(values) else None


def _deviation(values: Sequence[Number]) -> Number:
    known = [value for value in values if value is not None]
    return statistics.stdev(known) if len(known) > 1 and len(known) == len(values) else None


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table that is legible in a terminal too: names flush left, numbers flush right."""
    widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(lines[0]))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    text = ""
    for line in (lines[0], rule, *lines[1:]):
        numbers = (cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))
        text += f"| {' | '.join([line[0].ljust(widths[0]), *numbers])} |\n"
    return text
