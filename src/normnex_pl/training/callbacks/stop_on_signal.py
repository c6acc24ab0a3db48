"""Save and stop when the machine is wanted back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytorch_lightning as pl

from normnex_pl.core.errors import RunStoppedError
from normnex_pl.training.callbacks.checkpoint import LastCheckpoint
from normnex_pl.training.ranks import stop_all

# Clusters send the first to end a job, and before they do the second, if a job's script asks for it.
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class StopOnSignal(pl.Callback):
    """On SIGTERM and SIGUSR1 has the run save a checkpoint and end; the same command then goes on.

    Not in the signal's handler: a step may be half done, and other ranks elsewhere. Each rank notes that it
    was told, and every few steps they ask each other, so that all save the same step. It comes behind
    `LastCheckpoint`, so that all others have seen the step.

    Lightning's own answers are taken out: to SIGTERM, a broadcast from within the handler and another one,
    which waits for the device, before each step; to SIGUSR1 under SLURM, a second checkpoint in the handler,
    which later runs would prefer to a newer ``last.ckpt``.

    Args:
        last: Writes the checkpoint.
        every_n_steps: How often several ranks ask each other, which waits for the device. One alone knows.
    """

    def __init__(self, last: LastCheckpoint, every_n_steps: int = 20) -> None:
        self.last = last
        self.every_n_steps = every_n_steps
        self.received: int | None = None
        self._saved = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen from the first step on; Lightning restores the old handlers in the end."""
        self.received = None
        self._saved = False
        _listen(self._note)
        trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = _nothing  # type: ignore[method-assign]

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any, **__: Any) -> None:
        """Save if any rank was told to stop."""
        told = self.received is not None
        if trainer.world_size > 1:
            if trainer.global_step % self.every_n_steps:
                return
            told = trainer.strategy.reduce_boolean_decision(told, all=False)
        if told:
            self.last.save(trainer)
            # No rank leaves, and has the others killed for it, before the file is in its place.
            trainer.strategy.barrier()
            self._saved = True

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any, **__: Any) -> None:
        """Stop in front of the next step: Lightning logs a step behind the callbacks of its end."""
        if not self._saved:
            return
        why = "another rank" if self.received is None else signal.Signals(self.received).name
        stop_all(
            trainer,
            RunStoppedError(
                f"Stopped by {why} at step {trainer.global_step}; {self.last.path} is saved. "
                "The same command goes on from there."
            ),
        )

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Evaluation is done anew: it has nothing to save."""
        _listen(_stop_at_once)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = number


def _listen(handler: Callable[[int, FrameType | None], None]) -> None:
    """Python lets the main thread alone set handlers."""
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            signal.signal(number, handler)


def _stop_at_once(number: int, frame: FrameType | None) -> None:
    raise RunStoppedError(
        f"Stopped by {signal.Signals(number).name} in the evaluation. The same command evaluates again."
    )


def _nothing() -> None:
    """Stand for Lightning's broadcast."""
