"""Several ranks: report what a step is then, and check that all of them train the same model."""

from __future__ import annotations

import atexit
import logging
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies.launchers.subprocess_script import _SubprocessScriptLauncher
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.data.datamodule import SceneDataModule
from normnex_pl.training.ranks import all_gather, digest, digests, disagreements, stop_all

_LOG = logging.getLogger(__name__)
_NAMED = 4  # of the tensors that differ
_PATIENCE = 5.0  # seconds


class RankCheck(pl.Callback):
    """Compare the ranks' models, and stop the run unless they are equal to the last bit.

    Each rank applies the same mean gradient to its own copy of the model, and copies that differ once never
    converge again: a gate that opens a step late, another layer drawn for a regulariser, a faulty GPU. The
    check compares digests of all parameters and buffers (the diffuse gate and the kept targets of estimators
    are buffers), the state of the random number generator, and the step; at the start, every few steps, and
    before each checkpoint, so that none is written after the ranks have diverged.

    Args:
        checkpoint: The newest checkpoint, which the message names.
        every_n_steps: Steps between two checks.
    """

    def __init__(self, checkpoint: Path, every_n_steps: int = 500) -> None:
        self.checkpoint = checkpoint
        self.every_n_steps = every_n_steps
        self._checked_step = -1

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report how many rays a step has, and compare the ranks as they start or go on."""
        if trainer.world_size == 1:
            return
        data: SceneDataModule = trainer.datamodule  # type: ignore[attr-defined]
        if trainer.is_global_zero:
            _LOG.info(rays_in_words(trainer.world_size, data.rays_per_step // 3 * 3))
        self._compare(trainer, pl_module)

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any, **__: Any
    ) -> None:
        """Compare every few steps."""
        if trainer.world_size > 1 and trainer.global_step % self.every_n_steps == 0:
            self._compare(trainer, pl_module)

    @override
    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Compare before the file is written."""
        if trainer.world_size > 1 and trainer.global_step != self._checked_step:
            self._compare(trainer, pl_module)

    @override
    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Terminate the workers that rank 0 launched: they might wait for it for half an hour."""
        launcher = trainer.strategy.launcher
        if isinstance(launcher, _SubprocessScriptLauncher):
            atexit.register(_end, launcher.procs)

    def _compare(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        step = trainer.global_step
        held = {
            "the step": step,
            "the length of the training": trainer.estimated_stepping_batches,
            "the number of training views": trainer.num_training_batches,
            "the state of the random numbers": digest(torch.get_rng_state()).item(),
            **digests(pl_module),
        }
        differing = disagreements(all_gather(trainer, held))
        self._checked_step = step
        if differing:
            stop_all(trainer, UserError(self._message(differing, step)))

    def _message(self, differing: dict[str, list[int]], step: int) -> str:
        names = ", ".join(list(differing)[:_NAMED])
        more = f" and {len(differing) - _NAMED} more" if len(differing) > _NAMED else ""
        ranks = ", ".join(map(str, sorted({rank for ranks in differing.values() for rank in ranks})))
        kept = (
            f"Go on from the last checkpoint where they were the same ({self.checkpoint}) by the same command"
            if self.checkpoint.exists()
            else "No checkpoint had been written yet: start again"
        )
        return (
            f"The ranks train different models (found at step {step}, checked every {self.every_n_steps} "
            f"steps): expected what rank 0 has, found something else in {names}{more} on rank {ranks}. All "
            "ranks need the same software, kind of device, scene and configuration, and the same files of "
            f"the run folder. {kept}; if it happens again, exclude the machine."
        )


def _end(processes: Sequence[subprocess.Popen[Any]]) -> None:
    """Wait for processes to exit, then kill those that are left."""
    for process in processes:
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()


def rays_in_words(ranks: int, rays: int) -> str:
    """Return what ``data.rays_per_step`` and the learning rates mean on several ranks."""
    return (
        f"{ranks} ranks: {rays} rays a step on each, {ranks * rays} in all. Learning rates and steps are as "
        "on one rank: gradients are means over all rays."
    )
