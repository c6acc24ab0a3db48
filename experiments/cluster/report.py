"""Where the runs below a folder stand, as a table: `make cluster-report`, or this file with --help."""

from __future__ import annotations

import argparse
import json
import sys
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import write_text
from normnex_pl.evaluation.report import format_value
from normnex_pl.studies.comparison import COLUMNS, Run, aligned, csv_table
from normnex_pl.training.run_folder import RunFolder

# Beside where a run stands; all columns are in the CSV file.
_SHOWN = ("psnr", "ssim", "lpips_vgg", "train_seconds", "ms_per_step", "peak_gpu_gib")
_TITLES = ("", "seed", "state", "steps", "of", "written")
_FRESH = 600.0  # seconds; a run that wrote something within them probably still goes on


@dataclass(frozen=True)
class Standing:
    """Where a run stands.

    Attributes:
        run: With its scores, once there are some.
        state: In a word: ``finished``, ``training``, ``stopped``, or ``empty`` if nothing was saved yet.
        steps: Done, by the newest checkpoint.
        limit: Steps of the whole training; None if it is given in epochs.
        age: Seconds since the run wrote something.
    """

    run: Run
    state: str
    steps: int
    limit: int | None
    age: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0, or 2 for bad input."""
    parser = argparse.ArgumentParser(
        description="Prints where runs stand, one a line, and writes a CSV file with all scores. `training` "
        f"is an unfinished run that has written something within {_FRESH / 60:.0f} minutes; `stopped` goes "
        "on when it is submitted again.",
        allow_abbrev=False,
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="searched with all below it (runs)")
    parser.add_argument("--out", type=Path, help="the CSV file (report.csv in that folder)")
    options = parser.parse_args(arguments)
    try:
        found = [standing(folder) for folder in run_folders(options.runs)]
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(table(found, options.runs))
    out = options.out or options.runs / "report.csv"
    write_text(out, csv_table([one.run for one in found]))
    print(f"Scores: {out}")
    return 0


def run_folders(root: Path) -> list[Path]:
    """Return the folders with a configuration, sorted by name.

    Raises:
        UserError: There is none.
    """
    found = sorted(path.parent for path in root.rglob(RunFolder(root).config.name))
    if not found:
        raise UserError(f"{root}: expected run folders below it, found none. Name another one (RUNS=path).")
    return found


def standing(folder: Path) -> Standing:
    """Read what a run has left behind so far; a run may write meanwhile."""
    config = read(RunFolder(folder).config, yaml.safe_load)
    settings, trainer = config.get("run") or {}, config.get("trainer") or {}
    metrics = read(RunFolder(folder).metrics, json.loads)
    steps = steps_done(folder)
    limit = trainer.get("max_steps")
    limit = limit if isinstance(limit, int) and limit > 0 else None
    age = time.time() - max((path.stat().st_mtime for path in files(folder)), default=0.0)
    # Scores of an earlier, shorter training say nothing about the one that goes on.
    finished = bool(metrics) and metrics.get("steps") == steps and (limit is None or steps >= limit)
    if finished:
        state = "finished"
    elif steps == 0:
        state = "empty" if age > _FRESH else "training"
    else:
        state = "stopped" if age > _FRESH else "training"
    scene = Path(str((config.get("data") or {}).get("scene") or folder.parent.name)).name
    name = f"{scene}/{settings.get('variant')}-{settings.get('preset')}"
    known = metrics if finished else {}
    failure = None if finished else f"{state} at step {steps}"
    seed = config.get("seed_everything")
    run = Run(name, seed if isinstance(seed, int) else 0, folder, known, failure)
    return Standing(run, state, steps, limit, age)


def steps_done(folder: Path) -> int:
    """Steps in the newest checkpoint; 0 without one."""
    path = RunFolder(folder).checkpoint
    if not path.is_file() or not zipfile.is_zipfile(path):
        return 0
    content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    return int(content.get("global_step", 0))


def files(folder: Path) -> list[Path]:
    """What a run writes while it trains, and at its end."""
    found = RunFolder(folder)
    candidates = (found.config, found.checkpoint, found.metrics_csv, found.metrics)
    return [path for path in candidates if path.exists()]


def read(path: Path, parse: Any) -> dict[str, Any]:
    """Return a file's content; nothing if it is missing or broken."""
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}


def table(found: Sequence[Standing], root: Path) -> str:
    """Return a line a run, and how many there are in each state."""
    columns = [column for column in COLUMNS if column.name in _SHOWN]
    lines = [[*_TITLES, *(column.title for column in columns), "folder"]]
    for one in found:
        values = one.run.values
        lines.append(
            [
                *(one.run.row, str(one.run.seed), one.state, str(one.steps), format_value(one.limit, 0)),
                ago(one.age),
                *(format_value(values[column.name], column.digits) for column in columns),
                str(one.run.folder.relative_to(root)),
            ]
        )
    states = [one.state for one in found]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    return f"{aligned(lines)}\n{len(found)} runs: {counts}"


def ago(seconds: float) -> str:
    """Such as ``5 min ago``."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return "now"


if __name__ == "__main__":
    sys.exit(main())
