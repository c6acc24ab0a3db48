"""A plot of a sweep: the importance of its parameters, and the scores over each of them."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from normnex_pl.core.files import replacing
from normnex_pl.core.text import literal
from normnex_pl.studies.sweeps.config import Config, metric_of
from normnex_pl.studies.sweeps.engine import Importance
from normnex_pl.studies.sweeps.report import Comparable, format_number, short_name

_COLUMNS = 3
_WIDTH, _BAR, _PANEL = 9.0, 0.35, 2.4  # inches
_TITLE = 100  # characters a line


def write_plot(
    path: Path, title: str, config: Config, found: Mapping[str, Importance], runs: Comparable
) -> None:
    """Write the picture as a PNG.

    Args:
        path: The file.
        title: Of the sweep.
        config: The sweep.
        found: The importance of each parameter.
        runs: The scores that it was computed from.
    """
    names = sorted(found, key=lambda name: -found[name].mean)
    rows = math.ceil(len(names) / _COLUMNS)
    bars = 1.3 + _BAR * len(names)
    figure = Figure(figsize=(_WIDTH, bars + _PANEL * rows), layout="constrained")
    grid = figure.add_gridspec(rows + 1, _COLUMNS, height_ratios=[bars, *[_PANEL] * rows])
    about = [*textwrap.wrap(title, _TITLE), f"{len(runs.scores)} runs, all at step {runs.step}"]
    figure.suptitle(literal("\n".join(about)), fontsize=10)
    _show_importance(figure.add_subplot(grid[0, :]), names, found)
    for place, name in enumerate(names):
        axes = figure.add_subplot(grid[1 + place // _COLUMNS, place % _COLUMNS])
        _show_scores(axes, name, [row[name] for row in runs.values], runs.scores)
        searched = config["parameters"][name]
        if "log" in searched.get("distribution", ""):
            axes.set_xscale("log")
        if searched.get("distribution") == "log_uniform_values":  # else its bounds are those of the logarithm
            axes.set_xlim(searched["min"], searched["max"])
        if place % _COLUMNS == 0:
            axes.set_ylabel(metric_of(config)[0])
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _show_importance(axes: Axes, names: Sequence[str], found: Mapping[str, Importance]) -> None:
    means = [found[name].mean for name in names]
    axes.barh(range(len(names)), means, xerr=[found[name].deviation for name in names], color="tab:blue")
    axes.set_yticks(range(len(names)), [_label(name, found[name]) for name in names])
    axes.invert_yaxis()
    axes.set_xlabel(
        "importance: loss of R² when shuffled (random forest); r: rank correlation with the score"
    )


def _label(name: str, found: Importance) -> str:
    correlation = "" if found.correlation is None else f" (r {found.correlation:+.2f})"
    return short_name(name) + correlation


def _show_scores(axes: Axes, name: str, values: Sequence[Any], scores: Sequence[float]) -> None:
    """Draw a point for each run."""
    if all(isinstance(value, (int, float)) for value in values):
        axes.scatter(values, scores, s=18, color="tab:blue")
    else:
        known = sorted({format_number(value) for value in values})
        axes.scatter([known.index(format_number(value)) for value in values], scores, s=18, color="tab:blue")
        axes.set_xticks(range(len(known)), known, rotation=30, ha="right", fontsize=7)
    axes.set_xlabel(short_name(name))
    axes.tick_params(labelsize=8)
