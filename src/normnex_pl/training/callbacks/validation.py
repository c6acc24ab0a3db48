"""Scores of the training views that were left out: for choosing settings, so that test views stay unseen."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from normnex_pl.core.files import write_json
from normnex_pl.core.types import View
from normnex_pl.training.module import NormNeXModule


class ValidationWriter(pl.Callback):
    """Write ``validation.json``: the PSNR of each left-out training view at the newest validated step.

    The history of their mean is ``val/psnr`` in ``metrics.csv``, which is brought up to date too, so that who
    watches a run from outside sees it.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "validation.json"
        self.validated_step = -1
        self._views: list[dict[str, Any]] = []

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget an earlier validation."""
        self._views = []

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: View,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Notes a view's score."""
        self._views.append({"name": batch.name, "psnr": outputs["psnr"]})

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the scores; one rank does, since all have seen all views."""
        assert isinstance(pl_module, NormNeXModule)
        self.validated_step = pl_module.record.steps
        if trainer.is_global_zero:
            mean = statistics.fmean(view["psnr"] for view in self._views)
            write_json(self.path, {"steps": self.validated_step, "psnr": mean, "views": self._views})
        for logger in trainer.loggers:
            logger.save()
