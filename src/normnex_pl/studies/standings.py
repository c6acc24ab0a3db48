"""Standings of the runs below a folder, read from what they have written so far."""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from normnex_pl.core.errors import UserError
from normnex_pl.evaluation.report import format_value
from normnex_pl.studies.comparison import COLUMNS, Run, part_of
from normnex_pl.studies.tables import Line, score_table
from normnex_pl.training.run_folder import RunFolder
from normnex_pl.training.run_weights import read_checkpoint

# Scores beside the state; the CSV file has all columns.
_SHOWN = ("psnr", "ssim", "lpips_vgg", "train_seconds", "ms_per_step", "peak_gpu_gib")
_TITLES = ("", "seed", "state", "steps", "of", "written")
FRESH = 600.0  # seconds; a run that wrote something within them probably still trains


@dataclass(frozen=True)
class Standing:
    """The standing of a run.

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


def run_folders(root: Path) -> list[Path]:
    """Return the folders with a configuration, sorted by name.

    Raises:
        UserError: There is none.
    """
    found = sorted(path.parent for path in root.rglob(RunFolder(root).config.name))
    if not found:
        raise UserError(f"{root}: expected run folders below it, found none. Name another one.")
    return found


def standing(folder: Path) -> Standing:
    """Read what a run has left behind so far; a run may write meanwhile."""
    config = _read(RunFolder(folder).config, yaml.safe_load)
    settings, trainer, data = (part_of(config, name) for name in ("run", "trainer", "data"))
    metrics = _read(RunFolder(folder).metrics, json.loads)
    steps = _steps_done(folder)
    limit = trainer.get("max_steps")
    limit = limit if isinstance(limit, int) and limit > 0 else None
    age = time.time() - max((path.stat().st_mtime for path in _files(folder)), default=0.0)
    # Scores of an earlier, shorter training say nothing about the one that goes on.
    finished = bool(metrics) and metrics.get("steps") == steps and (limit is None or steps >= limit)
    state = _state(finished, steps, age)
    scene = Path(str(data.get("scene") or "")).name or folder.parent.name
    name = f"{scene}/{settings.get('variant')}-{settings.get('preset')}"
    known = metrics if finished else {}
    failure = None if finished else f"{state} at step {steps}"
    seed = config.get("seed_everything")
    run = Run(name, seed if isinstance(seed, int) else 0, folder, known, failure)
    return Standing(run, state, steps, limit, age)


def _state(finished: bool, steps: int, age: float) -> str:
    """Return the state of a run in a word."""
    if finished:
        return "finished"
    if age <= FRESH:
        return "training"
    return "stopped" if steps else "empty"


def _steps_done(folder: Path) -> int:
    """Return the steps in the newest checkpoint; 0 without one."""
    path = RunFolder(folder).checkpoint
    if not path.is_file() or not zipfile.is_zipfile(path):
        return 0
    try:
        steps = read_checkpoint(path).get("global_step", 0)
    except (OSError, UserError):  # it may be replaced meanwhile
        return 0
    return steps if isinstance(steps, int) else 0


def _files(folder: Path) -> list[Path]:
    """Return the files that a run writes while it trains, and at its end."""
    found = RunFolder(folder)
    candidates = (found.config, found.checkpoint, found.metrics_csv, found.metrics)
    return [path for path in candidates if path.exists()]


def _read(path: Path, parse: Any) -> dict[str, Any]:
    """Return a file's content; nothing if it is missing or broken."""
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    named = isinstance(content, dict) and all(isinstance(name, str) for name in content)
    return content if named else {}


def standings_table(found: Sequence[Standing], root: Path) -> str:
    """Return a table with a line per run, and how many there are in each state."""
    columns = [column for column in COLUMNS if column.name in _SHOWN]
    lines = [
        Line(
            [
                *(one.run.row, str(one.run.seed), one.state, str(one.steps), format_value(one.limit, 0)),
                _ago(one.age),
            ],
            one.run.values,
            [str(one.run.folder.relative_to(root))],
        )
        for one in found
    ]
    table = score_table(_TITLES, columns, lines, ["folder"])
    states = [one.state for one in found]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    return f"{table}\n{len(found)} runs: {counts}"


def _ago(seconds: float) -> str:
    """Return an age in words, such as ``5 min ago``."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return "now"
