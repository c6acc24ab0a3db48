"""Plots of a sweep, by Optuna: importance of the parameters, history, and the scores over each parameter."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import pyplot
from optuna.exceptions import ExperimentalWarning
from optuna.study import Study
from optuna.visualization.matplotlib import (
    plot_optimization_history,
    plot_param_importances,
    plot_slice,
)

from normnex_pl.core.files import replacing
from normnex_pl.core.text import literal

_WIDTH, _HEIGHT, _PANEL = 9.0, 4.0, 2.6  # inches


def write_plots(folder: Path, title: str, metric: str, study: Study) -> list[Path]:
    """Write ``importance.png``, ``history.png`` and ``slices.png``.

    Args:
        folder: Of the sweep.
        title: Of the pictures.
        metric: The name of what the sweep improves.
        study: Of runs that can be compared.
    """
    count = len({name for trial in study.trials for name in trial.params})
    label = literal(metric)
    plots: dict[str, tuple[Callable[[], Any], float]] = {
        "importance": (lambda: plot_param_importances(study, target_name=label), _WIDTH),
        "history": (lambda: plot_optimization_history(study, target_name=label), _WIDTH),
        "slices": (lambda: plot_slice(study, target_name=label), max(_WIDTH, _PANEL * count)),
    }
    return [_write(folder / f"{name}.png", title, draw, width) for name, (draw, width) in plots.items()]


def _write(path: Path, title: str, draw: Callable[[], Any], width: float) -> Path:
    """Draw into a figure of pyplot, as Optuna does, and leave nothing of it behind."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        pyplot.switch_backend("agg")
        # Choices among numbers are shown as choices.
        logging.getLogger("matplotlib.category").setLevel(logging.WARNING)
        before = set(pyplot.get_fignums())
        try:
            axes = np.ravel(draw())
            figure = axes[0].figure
            figure.set_size_inches(width, _HEIGHT)
            figure.suptitle(literal(title), fontsize=9, wrap=True)
            if len(axes) == 1:
                axes[0].set_title("")
            with replacing(path) as temporary:
                figure.savefig(temporary, dpi=110, bbox_inches="tight")
        finally:
            for number in set(pyplot.get_fignums()) - before:
                pyplot.close(number)
    return path
