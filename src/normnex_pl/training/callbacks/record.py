"""Keep the training record up to date: steps, seconds, rays, memory."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from typing_extensions import override

from normnex_pl.training.module import NormNeXModule

_LOG = logging.getLogger(__name__)
_PEAK_EVERY = 100  # steps between two readings of the peak memory, which a checkpoint then holds


class RecordKeeper(pl.Callback):
    """Update ``module.record`` after each step; a resumed run goes on where its checkpoint was."""

    def __init__(self) -> None:
        self._last = 0.0

    @override
    def state_dict(self) -> dict[str, Tensor]:
        """Return the random number generator's state: a resumed run draws what an uninterrupted one would."""
        return {"random_state": torch.get_rng_state()}

    @override
    def load_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Restore the random number generator."""
        torch.set_rng_state(state_dict["random_state"].cpu())

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        assert isinstance(pl_module, NormNeXModule)
        record = pl_module.record
        if record.steps and record.ranks != trainer.world_size:
            _LOG.warning(
                "The run was on %d ranks until step %d and goes on with %d: its steps have other rays now.",
                record.ranks,
                record.steps,
                trainer.world_size,
            )
        record.ranks = trainer.world_size
        self.resume(pl_module)

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count a step and the time since the last one."""
        assert isinstance(pl_module, NormNeXModule)
        pl_module.record.steps = trainer.global_step
        pl_module.record.rays += batch.rgb.shape[:-1].numel() * trainer.world_size
        self._tick(pl_module)
        if trainer.global_step % _PEAK_EVERY == 0:
            _record_peak(pl_module)

    @override
    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clock of the training."""
        if trainer.state.fn == "fit":
            self.pause(pl_module)

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restart the clock."""
        if trainer.state.fn == "fit":
            self.resume(pl_module)

    @override
    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clock for good."""
        self.pause(pl_module)

    @contextmanager
    def paused(self, module: pl.LightningModule) -> Iterator[None]:
        """Count neither time nor memory while the context lasts: it is no part of the training."""
        self.pause(module)
        try:
            yield
        finally:
            self.resume(module)

    def pause(self, module: pl.LightningModule) -> None:
        """Stop the clock, after the steps that the device is still executing: they count too."""
        assert isinstance(module, NormNeXModule)
        if module.device.type == "cuda":
            torch.cuda.synchronize(module.device)
        _record_peak(module)
        self._tick(module)

    def resume(self, module: pl.LightningModule) -> None:
        """Start the clock."""
        if module.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(module.device)
        self._last = time.monotonic()

    def _tick(self, module: NormNeXModule) -> None:
        now = time.monotonic()
        module.record.seconds += now - self._last
        self._last = now


def _record_peak(module: NormNeXModule) -> None:
    """Keep the largest allocation over all parts of a resumed run."""
    if module.device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(module.device) / 2**30
        module.record.peak_gpu_gib = max(peak, module.record.peak_gpu_gib or 0.0)
