"""Stop a run whose loss is no longer finite, before it overwrites a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.training.ranks import stop_all


class FiniteLossGuard(pl.Callback):
    """Check the loss every few steps, and loss and weights before each checkpoint.

    Reading a number from the device synchronises with it, so that each step only updates a flag there.

    Args:
        checkpoint: The file that would be overwritten.
        every_n_steps: Steps between two checks.
    """

    def __init__(self, checkpoint: Path, every_n_steps: int = 50) -> None:
        self.checkpoint = checkpoint
        self.every_n_steps = every_n_steps
        self._all_finite: Tensor | None = None

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any, **__: Any
    ) -> None:
        """Note on the device whether the loss is finite."""
        finite = torch.isfinite(outputs["loss"].detach())
        self._all_finite = finite if self._all_finite is None else self._all_finite & finite
        if trainer.global_step % self.every_n_steps == 0:
            self._raise_unless_finite(trainer)

    @override
    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Refuse to save weights that aren't finite: the last update can spoil them after a finite loss."""
        # By their extremes, which propagate NaN: `isfinite` would copy each texture.
        values = [value.detach() for value in pl_module.parameters() if value.numel()]
        extremes = [torch.stack(torch.aminmax(value)) for value in values]
        weights_finite = [pair.isfinite().all() for pair in extremes]
        marks = weights_finite if self._all_finite is None else [self._all_finite, *weights_finite]
        self._all_finite = torch.stack(marks).all()
        self._raise_unless_finite(trainer)

    def _raise_unless_finite(self, trainer: pl.Trainer) -> None:
        finite = self._all_finite is None or bool(self._all_finite.item())
        # All ranks stop, or none: one alone would leave the others waiting.
        if trainer.strategy.reduce_boolean_decision(finite, all=True):
            return
        kept = (
            f"The last good checkpoint is kept: {self.checkpoint}"
            if self.checkpoint.exists()
            else "No checkpoint had been written yet"
        )
        message = (
            f"The loss or a weight is not a finite number (found at step {trainer.global_step}, checked "
            f"every {self.every_n_steps} steps). {kept}. Lower the learning rates "
            "(model.optimizer.learning_rates) or train in full precision (trainer.precision=32-true)."
        )
        stop_all(trainer, UserError(message))
