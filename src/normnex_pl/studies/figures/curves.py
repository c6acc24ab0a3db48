"""Curves of quality over the training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from normnex_pl.core.errors import UserError
from normnex_pl.core.text import literal
from normnex_pl.studies.comparison import Run
from normnex_pl.studies.figures.captions import finished, runs_caption
from normnex_pl.training.loggers.metrics_csv import read_history
from normnex_pl.training.run_folder import RunFolder


def quality_figure(runs: Sequence[Run]) -> Figure:
    """Show the PSNR of left-out training views over the seconds of training, and over the steps.

    Args:
        runs: Of one scene, with ``data.num_validation_views``; failed ones are skipped.

    Raises:
        UserError: No run finished, or none was validated.
    """
    runs = finished(runs)
    figure = Figure(figsize=(10.0, 4.0), layout="constrained")
    figure.suptitle(literal(f"Training views that were left out, {runs_caption(runs)}"), fontsize=11)
    over_time, over_steps = figure.subplots(1, 2, sharey=True)
    for run in runs:
        path = RunFolder(run.folder).metrics_csv
        scores = read_history(path, "val/psnr")
        seconds = dict(read_history(path, "val/train_seconds"))
        known = [(step, seconds[step], psnr) for step, psnr in scores if step in seconds]
        if known:
            steps, times, values = zip(*known, strict=True)
            over_time.plot(times, values, marker=".", label=literal(run.row))
            over_steps.plot(steps, values, marker=".")
    if not over_time.lines:
        raise UserError(
            f"{runs[0].folder}: expected scores of left-out training views in metrics.csv, found none. Train "
            "with --data.num_validation_views=2, and validate several times "
            "(--trainer.check_val_every_n_epoch=null --trainer.val_check_interval=100)."
        )
    over_time.set_xlabel("seconds of training")
    over_time.set_ylabel("PSNR (dB)")
    over_steps.set_xlabel("steps")
    over_time.legend(fontsize=8)
    for axes in (over_time, over_steps):
        axes.grid(alpha=0.3)
    return figure


def training_figure(
    runs: Sequence[Run], published: Mapping[str, tuple[float, float]] | None = None
) -> Figure:
    """Show the PSNR of the training rays over the seconds, and that of the held-out views at the end.

    The gap between the two is overfitting to the training photos. All steps are assumed to take equally long.

    Args:
        runs: Of one scene; failed ones are skipped.
        published: Seconds and held-out PSNR of other methods, by their names.

    Raises:
        UserError: No run finished.
    """
    runs = finished(runs)
    figure = Figure(figsize=(8.0, 4.5), layout="constrained")
    figure.suptitle(literal(runs_caption(runs)), fontsize=10)
    axes = figure.subplots()
    for run in runs:
        seconds = run.metrics["train_seconds"]
        history = read_history(RunFolder(run.folder).metrics_csv, "train/psnr")
        steps = np.array([step for step, _ in history])
        values = _smoothed(np.array([psnr for _, psnr in history]))
        (line,) = axes.plot((steps + 1) * (seconds / run.metrics["steps"]), values, label=literal(run.row))
        axes.plot(seconds, run.metrics["test"]["psnr"], "o", color=line.get_color())
    for name, (seconds, psnr) in (published or {}).items():
        axes.plot(seconds, psnr, "k^", label=name)
    axes.set(xscale="log", xlabel="seconds of training")
    axes.set_ylabel("PSNR (dB): training rays (line), held-out views (mark)", fontsize=9)
    axes.grid(which="both", alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def _smoothed(values: NDArray[np.floating], reach: int = 2) -> NDArray[np.floating]:
    """Average each value with its neighbours, fewer at the ends: the rays of one step are a noisy sample."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    place = np.arange(len(values))
    first, last = np.maximum(place - reach, 0), np.minimum(place + reach + 1, len(values))
    means: NDArray[np.floating] = (sums[last] - sums[first]) / (last - first)
    return means
