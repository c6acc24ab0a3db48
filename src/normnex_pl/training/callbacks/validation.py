"""Scores of the training views that were left out: for choosing settings, so that test views stay unseen."""

from __future__ import annotations

import statistics
from typing import Any

import pytorch_lightning as pl
from typing_extensions import override

from normnex_pl.core.files import write_json
from normnex_pl.core.types import View
from normnex_pl.training.module import NormNeXModule
from normnex_pl.training.ranks import all_gather
from normnex_pl.training.run_folder import RunFolder


class ValidationWriter(pl.Callback):
    """Log the mean PSNR of the left-out training views, and write the PSNR of each to ``validation.json``.

    The mean is ``val/psnr`` in ``metrics.csv``, beside ``val/train_seconds``, the seconds of training until
    then, which give the score a place in time. That file is written too after each validation, so that those
    who watch a run from outside see the score. Several ranks share the views; what is logged is what one
    rank would log.

    Args:
        run: The run folder.
    """

    def __init__(self, run: RunFolder) -> None:
        self.path = run.validation
        self.validated_step = -1
        self._scores: list[tuple[int, dict[str, Any]]] = []  # of this rank, by position
        self._views: list[dict[str, Any]] = []  # of all ranks

    @override
    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget an earlier validation."""
        self._scores = []

    @override
    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: View,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Note the score of a view that this rank has rendered."""
        if outputs is not None:
            self._scores.append((batch_idx, {"name": batch.name, "psnr": outputs["psnr"]}))

    @override
    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gather the scores of all ranks and log their mean."""
        assert isinstance(pl_module, NormNeXModule)
        gathered = dict(score for scores in all_gather(trainer, self._scores) for score in scores)
        self._views = [gathered[position] for position in sorted(gathered)]
        scalars = {"val/psnr": self._mean, "val/train_seconds": pl_module.record.seconds}
        pl_module.log_dict(scalars, batch_size=1)

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the scores."""
        assert isinstance(pl_module, NormNeXModule)
        self.validated_step = pl_module.record.steps
        if trainer.is_global_zero:
            write_json(self.path, {"steps": self.validated_step, "psnr": self._mean, "views": self._views})
        for logger in trainer.loggers:
            logger.save()

    @property
    def _mean(self) -> float:
        return statistics.fmean(view["psnr"] for view in self._views)
