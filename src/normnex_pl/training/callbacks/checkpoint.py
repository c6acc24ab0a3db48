"""Write the newest checkpoint of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import leftovers, replacing


class LastCheckpoint(pl.Callback):
    """Overwrite one file every few steps. The last of the callbacks, so that the others have seen the step.

    Lightning's ModelCheckpoint stores a list of files with their folder; a run folder may be moved.

    Args:
        path: The file.
        every_n_steps: Steps between two checkpoints.
    """

    def __init__(self, path: Path, every_n_steps: int) -> None:
        self.path = path
        self.every_n_steps = every_n_steps
        self._saved_step = -1
        self._kept_step: int | None = None  # of the file, whichever process wrote it

    @override
    def on_train_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Remove the unfinished files of killed processes: each may be as large as the checkpoint."""
        self._kept_step = trainer.global_step if self.path.exists() else None
        if trainer.is_global_zero:
            for stale in leftovers(self.path):
                stale.unlink(missing_ok=True)

    @override
    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any, **__: Any) -> None:
        """Save after each ``every_n_steps`` steps."""
        if trainer.global_step % self.every_n_steps == 0:
            self.save(trainer)

    @override
    def on_train_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Save the last step, before Lightning moves the model, but not the optimiser, off the device."""
        self.save(trainer)

    def save(self, trainer: pl.Trainer) -> None:
        """Write the checkpoint of this step once, completely or not at all.

        All ranks have to call it; the first one writes. The rows of the log are written first: a resumed run
        won't log the steps before the checkpoint again.

        Raises:
            UserError: There is no room; the checkpoint of an earlier step stays, if there was one.
        """
        if trainer.global_step == self._saved_step:
            return
        try:
            self._write(trainer)
        except OSError as error:
            kept = (
                "There is none yet" if self._kept_step is None else f"That of step {self._kept_step} is whole"
            )
            raise UserError(
                f"{self.path}: expected room for a checkpoint and the log, found none ({error.strerror}). "
                f"{kept}. Make room; the same command then goes on."
            ) from error
        self._saved_step = self._kept_step = trainer.global_step

    def _write(self, trainer: pl.Trainer) -> None:
        for logger in trainer.loggers:
            logger.save()
        if trainer.is_global_zero:
            with replacing(self.path) as temporary:
                trainer.save_checkpoint(temporary, weights_only=False)
            for logger in trainer.loggers:
                logger.after_save_checkpoint(self)  # type: ignore[arg-type]
        else:
            trainer.save_checkpoint(self.path, weights_only=False)
