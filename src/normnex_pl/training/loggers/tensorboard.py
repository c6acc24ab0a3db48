"""Event files for TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from pytorch_lightning.loggers import Logger, TensorBoardLogger

from normnex_pl.training.loggers.base import RunIdentity, RunLogger


class TensorBoard(RunLogger):
    """Write to ``<run folder>/tensorboard/``; a run that goes on adds a file there."""

    def open(self, run: RunIdentity, config: Mapping[str, Any]) -> Logger:
        """See `RunLogger.open`."""
        return _OwnFiles(run.folder, name="", version="tensorboard", default_hp_metric=False)


class _OwnFiles(TensorBoardLogger):
    """Never writes over a file: they are named by the second, and evaluation begins where training ends."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._begin_file()

    def finalize(self, status: str) -> None:
        """Close the file; what is logged later goes to another one."""
        super().finalize(status)
        self._experiment = None  # it would open its file anew, under the name that it had
        self._begin_file()

    def _begin_file(self) -> None:
        self._kwargs["filename_suffix"] = f".{time.time_ns()}"
