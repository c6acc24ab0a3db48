"""The diffuse phase: at first no colour depends on the viewing direction."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.training.module import NormNeXModule


class DiffusePhase(pl.Callback):
    """Switch the specular part off for the first steps, so that the base colour explains as much as it can.

    The gate depends on the global step alone: it is the same on all ranks, and after resuming. It is a
    buffer of the model, so that a checkpoint from within the phase renders what was trained.

    Args:
        epochs: Length in epochs (of as many steps as training views); 50 of 2000 is usual.
        fraction: Length as a fraction of the training, for presets of any length.

    Raises:
        UserError: Not exactly one of the two is given, or it is out of range.
    """

    def __init__(self, epochs: int | None = None, fraction: float | None = None) -> None:
        if (epochs is None) == (fraction is None):
            raise UserError(
                f"DiffusePhase: expected epochs or fraction, found epochs={epochs}, fraction={fraction}. "
                "Give one of them."
            )
        if (epochs is not None and epochs < 0) or (fraction is not None and not 0 <= fraction <= 1):
            raise UserError(
                "DiffusePhase: expected epochs of at least 0 or a fraction from 0 to 1, found "
                f"epochs={epochs}, fraction={fraction}."
            )
        self.epochs = epochs
        self.fraction = fraction

    def length(self, trainer: pl.Trainer) -> int:
        """Return the number of steps of the phase."""
        if self.epochs is not None:
            return self.epochs * int(trainer.num_training_batches)
        assert self.fraction is not None
        return round(self.fraction * trainer.estimated_stepping_batches)

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compute the length once."""
        self._steps = self.length(trainer)

    @override
    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Close or open the gate."""
        assert isinstance(pl_module, NormNeXModule)
        # Filled, not replaced: no copy from the host, and it stays the buffer that is saved.
        pl_module.mpi.gate.fill_(float(trainer.global_step >= self._steps))
