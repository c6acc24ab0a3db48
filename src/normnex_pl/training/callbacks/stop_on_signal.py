"""Save and stop when the process is told to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytorch_lightning as pl
from typing_extensions import override

from normnex_pl.core.errors import RunStoppedError
from normnex_pl.training.callbacks.checkpoint import LastCheckpoint
from normnex_pl.training.ranks import stop_all

# Clusters send the first to end a job; and the second some time before, if the job's script asks for it.
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class StopOnSignal(pl.Callback):
    """Save a checkpoint and end the run on SIGTERM and SIGUSR1; the same command then goes on.

    The handler itself can't save: a step may be half done, and other ranks may be elsewhere. Each rank only
    notes the signal, and every few steps the ranks agree on whether to stop, so that all save the same step.
    This callback comes after `LastCheckpoint`, so that all others have seen the step.

    Lightning's own reactions are disabled: to SIGTERM, a broadcast from within the handler and another one,
    which synchronises with the device, before each step; to SIGUSR1 under SLURM, a second checkpoint in the
    handler, which later runs would prefer to a newer ``last.ckpt``.

    Args:
        last: Writes the checkpoint.
        every_n_steps: Steps between two agreements of several ranks, which synchronise with the device. A
            single rank needs none.
    """

    def __init__(self, last: LastCheckpoint, every_n_steps: int = 20) -> None:
        self.last = last
        self.every_n_steps = every_n_steps
        self.received: int | None = None
        self._saved = False

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Install the handlers for the training; Lightning restores the old ones in the end."""
        self.received = None
        self._saved = False
        _listen(self._note)
        trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = _nothing  # type: ignore[method-assign]

    @override
    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any, **__: Any) -> None:
        """Save if any rank has received a signal."""
        told = self.received is not None
        if trainer.world_size > 1:
            if trainer.global_step % self.every_n_steps:
                return
            told = trainer.strategy.reduce_boolean_decision(told, all=False)
        if told:
            self.last.save(trainer)
            # No rank exits, which makes launchers kill the others, before the file is in its place.
            trainer.strategy.barrier()
            self._saved = True

    @override
    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any, **__: Any) -> None:
        """Stop before the next step: Lightning logs a step after the callbacks of its end."""
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

    @override
    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End at once: an evaluation starts afresh, and has nothing to save."""
        _listen(_stop_at_once)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = number


def _listen(handler: Callable[[int, FrameType | None], None]) -> None:
    """Install a handler; Python allows that in the main thread only."""
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            signal.signal(number, handler)


def _stop_at_once(number: int, frame: FrameType | None) -> None:
    raise RunStoppedError(
        f"Stopped by {signal.Signals(number).name} in the evaluation. The same command evaluates again."
    )


def _nothing() -> None:
    """Replace Lightning's broadcast."""
