"""Event files for TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from pytorch_lightning.loggers import Logger, TensorBoardLogger

from normnex_pl.loggers.base import RunIdentity, RunLogger


class TensorBoard(RunLogger):
    """Writes to ``<run folder>/tensorboard/``; a run that goes on adds a file there."""

    def open(self, run: RunIdentity, config: Mapping[str, Any]) -> Logger:
        """See `RunLogger.open`."""
        # Files are named by the second: training and its evaluation may begin in the same one.
        suffix = f".{time.time_ns()}"
        return TensorBoardLogger(
            run.folder, name="", version="tensorboard", default_hp_metric=False, filename_suffix=suffix
        )
