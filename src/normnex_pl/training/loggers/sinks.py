"""Log pictures and final scores with those of Lightning's loggers that can show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8
from pytorch_lightning.loggers import Logger, TensorBoardLogger


def log_picture(logger: Logger, name: str, picture: UInt8[np.ndarray, "height width 3"], step: int) -> None:
    """Log a picture, where the logger supports them.

    Args:
        logger: Of any kind.
        name: Such as ``components/view_008_render``; what comes before the slash is its group.
        picture: Its pixels.
        step: Of the training.
    """
    if isinstance(logger, TensorBoardLogger):
        logger.experiment.add_image(name, picture, step, dataformats="HWC")
    elif hasattr(logger, "log_image"):
        logger.log_image(name, [picture], step)


def log_scores(logger: Logger, summary: Mapping[str, Any]) -> None:
    """Log the content of ``metrics.json``: means as scalars, views as a table where the logger has tables.

    `MetricsCSV` is left out: its rows are those of the training.
    """
    step = summary["steps"]
    means = {name: value for name, value in summary["test"].items() if value is not None}
    if isinstance(logger, TensorBoardLogger):
        logger.log_metrics({f"test/{name}": value for name, value in means.items()}, step)
    elif hasattr(logger, "log_table"):
        cost = ("train_seconds", "rays_per_second", "peak_gpu_gib", "num_parameters", "stored_bytes")
        scalars = {f"test/{name}": value for name, value in means.items()}
        scalars |= {f"cost/{name}": summary[name] for name in cost if summary[name] is not None}
        logger.log_metrics(scalars, step)
        columns, rows = score_table(summary)
        logger.log_table("test/views", columns, rows, step=step)


def score_table(summary: Mapping[str, Any]) -> tuple[list[str], list[list[Any]]]:
    """Return a row for each held-out view and one for their means, without scores that none of them has."""
    rows: Sequence[Mapping[str, Any]] = [*summary["views"], {"name": "mean", **summary["test"]}]
    scores = [name for name in summary["test"] if any(row.get(name) is not None for row in rows)]
    return ["view", *scores], [[row["name"], *(row.get(name) for name in scores)] for row in rows]
