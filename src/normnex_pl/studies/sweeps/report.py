"""The results of a sweep: a table of its runs, and the options of the best one."""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from normnex_pl.core.files import write_text
from normnex_pl.studies.sweeps.config import Config
from normnex_pl.studies.sweeps.results import Sweep, SweepRun
from normnex_pl.studies.sweeps.text import format_number, short_name
from normnex_pl.studies.tables import aligned

_SEED = "seed"


@dataclass(frozen=True)
class Row:
    """A run and its best score.

    Attributes:
        run: The run.
        best: The best score of its history; None without one.
        step: The step of the best score.
        last_step: The last step with a score, which tells whether the run was stopped early.
    """

    run: SweepRun
    best: float | None
    step: int | None
    last_step: int | None


def rows_of(sweep: Sweep) -> list[Row]:
    """Return the runs, the best first, those without a score last."""
    maximize = sweep.search.maximize
    choose = max if maximize else min
    rows = []
    for run in sweep.runs:
        history = [entry for entry in run.history if math.isfinite(entry[1])]
        if history:
            step, best = choose(history, key=lambda entry: entry[1])
            rows.append(Row(run, best, step, history[-1][0]))
        else:
            rows.append(Row(run, None, None, None))
    sign = -1 if maximize else 1
    return sorted(rows, key=lambda row: math.inf if row.best is None else sign * row.best)


def markdown_report(sweep: Sweep) -> str:
    """Return the table, means over seeds if there are several, the best run's options, and failures."""
    rows = rows_of(sweep)
    name = sweep.search.metric
    names = [parameter.name for parameter in sweep.search.space.parameters]
    lines = [["", *map(short_name, names), name, "step", "steps", "state"]]
    for row in rows:
        values = [format_number(row.run.values[key]) for key in names]
        score = [format_number(row.best, 5), _text(row.step), _text(row.last_step)]
        lines.append([row.run.name, *values, *score, row.run.state])
    parts = [aligned(lines)]
    if _SEED in names and len(names) > 1:
        parts.append(f"Over the seeds:\n\n{_over_seeds(rows, names, name)}")
    best = next((row for row in rows if row.best is not None and row.run.state != "failed"), None)
    if best is not None:
        options = " ".join(f"--{key}={format_number(best.run.values[key], 4)}" for key in names)
        parts.append(f"Best: {best.run.name}, {name} {format_number(best.best, 5)}, with {options}\n")
    failures = [f"- {row.run.name} failed: {row.run.failure}\n" for row in rows if row.run.failure]
    return "\n".join([*parts, *(["".join(failures)] if failures else [])])


def csv_report(sweep: Sweep) -> str:
    """Return CSV with a line per run and all digits."""
    text = io.StringIO()
    name = sweep.search.metric
    names = [parameter.name for parameter in sweep.search.space.parameters]
    about = ["run", "state", name, "step", "last_step", "folder", "failure"]
    writer = csv.DictWriter(text, [*about, *names], lineterminator="\n")
    writer.writeheader()
    for row in rows_of(sweep):
        known = (row.run.name, row.run.state, row.best, row.step, row.last_step)
        told = dict(zip(about, (*known, row.run.folder, row.run.failure), strict=True))
        writer.writerow(told | row.run.values)
    return text.getvalue()


def sweep_title(config: Config) -> str:
    """Return what the sweep was, for its picture and its table."""
    of_all_runs = config["command"][config["command"].index("${args}") + 1 :]
    words = " ".join(word.removeprefix("--") for word in of_all_runs)
    return f"Sweep {config.get('name', 'without a name')}: {words}"


def write_tables(sweep: Sweep) -> None:
    """Write what is known so far into the sweep's folder."""
    write_text(sweep.folder / "table.md", f"{sweep_title(sweep.config)}\n\n{markdown_report(sweep)}")
    write_text(sweep.folder / "table.csv", csv_report(sweep))


def _over_seeds(rows: Sequence[Row], names: Sequence[str], metric: str) -> str:
    """Return a table with a line per set of values: mean and standard deviation (n - 1) over its seeds."""
    others = [name for name in names if name != _SEED]
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(json.dumps([row.run.values[name] for name in others]), []).append(row)
    lines = [[*map(short_name, others), f"mean {metric}", "s.d.", "seeds"]]
    for group in groups.values():
        scores = [row.best for row in group if row.best is not None]
        mean = statistics.fmean(scores) if scores else None
        deviation = statistics.stdev(scores) if len(scores) > 1 else None
        values = [format_number(group[0].run.values[name]) for name in others]
        lines.append([*values, format_number(mean, 5), format_number(deviation, 2), str(len(scores))])
    return aligned(lines)


def _text(value: int | None) -> str:
    return "-" if value is None else str(value)
