"""Event files for TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from pytorch_lightning.loggers import Logger, TensorBoardLogger
from typing_extensions import override

from normnex_pl.training.loggers.base import RunIdentity, RunLogger


class TensorBoard(RunLogger):
    """Write to ``<run folder>/tensorboard/``; a resumed run adds a file there."""

    @override
    def open(self, run: RunIdentity, config: Mapping[str, Any]) -> Logger:
        return _OwnFiles(run.folder, name="", version="tensorboard", default_hp_metric=False)


class _OwnFiles(TensorBoardLogger):
    """Never overwrite a file: they are named by the second, and evaluation begins as training ends."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._begin_file()

    @override
    def finalize(self, status: str) -> None:
        super().finalize(status)
        self._experiment = None  # it would reopen its file under the same name
        self._begin_file()

    def _begin_file(self) -> None:
        self._kwargs["filename_suffix"] = f".{time.time_ns()}"
