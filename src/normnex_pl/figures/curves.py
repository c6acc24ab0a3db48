"""How good runs were after how much training."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from normnex_pl.comparison import Run
from normnex_pl.csv_log import read_history
from normnex_pl.errors import UserError
from normnex_pl.figures.captions import finished, runs_caption
from normnex_pl.runs import RunFolder


def quality_figure(runs: Sequence[Run]) -> Figure:
    """Shows the PSNR of left-out training views over the seconds of training, and over the steps.

    Args:
        runs: Of one scene, with ``data.num_validation_views``; failed ones are passed over.

    Raises:
        UserError: There is no finished run, or none was validated.
    """
    runs = finished(runs)
    figure = Figure(figsize=(10.0, 4.0), layout="constrained")
    figure.suptitle(f"Training views that were left out, {runs_caption(runs)}", fontsize=11)
    over_time, over_steps = figure.subplots(1, 2, sharey=True)
    for run in runs:
        path = RunFolder(run.folder).metrics_csv
        scores = read_history(path, "val/psnr")
        seconds = dict(read_history(path, "val/train_seconds"))
        known = [(step, seconds[step], psnr) for step, psnr in scores if step in seconds]
        if known:
            steps, times, values = zip(*known, strict=True)
            over_time.plot(times, values, marker=".", label=run.row)
            over_steps.plot(steps, values, marker=".")
    if not over_time.lines:
        raise UserError(
            f"{runs[0].folder}: expected scores of left-out training views in metrics.csv, found none. Train "
            "with --data.num_validation_views=2 and more often than once validated "
            "(--trainer.check_val_every_n_epoch=null --trainer.val_check_interval=100)."
        )
    over_time.set_xlabel("seconds of training")
    over_time.set_ylabel("PSNR (dB)")
    over_steps.set_xlabel("steps")
    over_time.legend(fontsize=8)
    for axes in (over_time, over_steps):
        axes.grid(alpha=0.3)
    return figure
