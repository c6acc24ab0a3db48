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
from normnex_pl.evaluation.report import Number
from normnex_pl.studies.tables import Column, Line, score_table
from normnex_pl.training.run_folder import RunFolder

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
_DEVIATION = "psnr_deviation"
_ABOUT = ("scene", "row", "seed", "variant", "preset", "steps", "folder", "commit", "failure")


@dataclass(frozen=True)
class Run:
    """One run of a comparison.

    Attributes:
        row: The row of the table that it belongs to.
        seed: Of its random numbers.
        folder: The run folder.
        metrics: The content of its ``metrics.json``; empty if the run failed.
        failure: Why there are no metrics, in a line.
        scene: The name of the scene; empty where there is only one.
    """

    row: str
    seed: int
    folder: Path
    metrics: dict[str, Any]
    failure: str | None = None
    scene: str = ""

    def __str__(self) -> str:
        where = f"{self.scene}, " if self.scene else ""
        return f"{where}{self.row}, seed {self.seed}"

    @property
    def values(self) -> dict[str, Number]:
        """A number for each of `COLUMNS`; None where an older run, or a scene without truth, has none."""
        test, variation = part_of(self.metrics, "test"), part_of(self.metrics, "specular_variation")
        known = {column.name: number_of({**self.metrics, **test}, column.name) for column in COLUMNS}
        steps, seconds = number_of(self.metrics, "steps"), number_of(self.metrics, "train_seconds")
        return known | {
            "specular_std": number_of(variation, "std"),
            "specular_correlation": number_of(variation, "correlation"),
            "stored_mb": _scaled(number_of(self.metrics, "stored_bytes"), 1e-6),
            "million_parameters": _scaled(number_of(self.metrics, "num_parameters"), 1e-6),
            "ms_per_step": _scaled(seconds, 1000 / steps) if steps else None,
        }


def read_run(row: str, seed: int, folder: Path, scene: str = "") -> Run:
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
    return Run(row, seed, folder, metrics, scene=scene)


def read_comparison(folder: Path) -> list[Run]:
    """Read the runs of a comparison that `normnex compare` wrote, in the order of its table.

    Raises:
        UserError: There is no table, or a run of it isn't there.
    """
    path = folder / "table.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [
                (row["row"], int(row["seed"]), _moved(row, folder), row["scene"], row["failure"])
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
        Run(row, seed, place, {}, failure, scene) if failure else read_run(row, seed, place, scene)
        for row, seed, place, scene, failure in rows
    ]


def _moved(row: Mapping[str, str], folder: Path) -> Path:
    """Return a run folder of a comparison, which may have been moved since the table was written."""
    return folder / "runs" / row["scene"] / Path(row["folder"]).name


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

    A number is the mean over the scenes of the means over their seeds. With several seeds, a column after
    PSNR has the sample standard deviation (with n - 1) over the seeds, the mean of those of the scenes.
    """
    if len({run.seed for run in runs}) > 1:
        place = 1 + next((n for n, column in enumerate(columns) if column.name == "psnr"), -1)
        columns = (*columns[:place], Column(_DEVIATION, "PSNR s.d.", 2), *columns[place:])
    lines = []
    for row in dict.fromkeys(run.row for run in runs):
        finished = any(run.row == row and run.failure is None for run in runs)
        lines.append(Line([row if finished else f"{row} (failed)"], _row_means(runs, row)))
    notes = [f"- {run}, failed: {run.failure}\n" for run in runs if run.failure]
    return "\n".join([score_table([""], columns, lines), *(["".join(notes)] if notes else [])])


def scene_means(runs: Sequence[Run], row: str, scene: str) -> dict[str, Number]:
    """Return the means over the finished seeds of a row on a scene, for each of `COLUMNS`."""
    values = [run.values for run in runs if (run.row, run.scene, run.failure) == (row, scene, None)]
    means = {column.name: mean([of[column.name] for of in values]) for column in COLUMNS}
    return means | {_DEVIATION: _deviation([of["psnr"] for of in values])}


def _row_means(runs: Sequence[Run], row: str) -> dict[str, Number]:
    """Return the means over the scenes; of a scene without a finished run, none."""
    scenes = dict.fromkeys(run.scene for run in runs)
    found = [scene_means(runs, row, scene) for scene in scenes]
    return {name: mean([of[name] for of in found]) for name in found[0]}


def csv_table(runs: Sequence[Run]) -> str:
    """Return CSV with a line per run and all digits; cells of missing numbers are empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [*_ABOUT, *(column.name for column in COLUMNS)], lineterminator="\n")
    writer.writeheader()
    for run in runs:
        about = {name: run.metrics.get(name) for name in _ABOUT}
        about |= {"scene": run.scene, "row": run.row, "seed": run.seed}
        about |= {"folder": str(run.folder), "failure": run.failure}
        writer.writerow(about | run.values)
    return text.getvalue()


def mean(values: Sequence[Number]) -> Number:
    """Return the mean; None if a value is missing: a mean over some of them would mislead."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known and len(known) == len(values) else None


def part_of(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a part of a run's scores or settings; empty where there is none."""
    part = content.get(name)
    return part if isinstance(part, dict) else {}


def number_of(content: Mapping[str, Any], name: str) -> Number:
    """Return a number among a run's scores; None where there is none, or something else."""
    value = content.get(name)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _scaled(value: Number, factor: float) -> Number:
    return None if value is None else value * factor


def _deviation(values: Sequence[Number]) -> Number:
    known = [value for value in values if value is not None]
    return statistics.stdev(known) if len(known) > 1 and len(known) == len(values) else None
