"""One bar for the whole training, with PSNR and the time left."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from tqdm import tqdm


class RunProgressBar(pl.callbacks.ProgressBar):
    """Count all steps of the run: an epoch here has only as many as there are views.

    Args:
        refresh_every: Steps between two looks at the PSNR, each of which waits for the device.
    """

    def __init__(self, refresh_every: int = 25) -> None:
        super().__init__()
        self.refresh_every = refresh_every
        self._bar: tqdm[Any] | None = None

    def disable(self) -> None:
        """Called on all ranks but the first."""
        self.refresh_every = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the bar where the run stands."""
        if self.refresh_every:
            total = int(trainer.estimated_stepping_batches)
            self._bar = tqdm(total=total, initial=trainer.global_step, desc="train", unit="step")

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any, **__: Any
    ) -> None:
        """Move the bar."""
        if self._bar is not None and trainer.global_step % self.refresh_every == 0:
            self._bar.set_postfix_str(f"PSNR {outputs['psnr'].item():.2f} dB", refresh=False)
            self._bar.update(trainer.global_step - self._bar.n)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Close the bar at its last step."""
        if self._bar is not None:
            self._bar.update(trainer.global_step - self._bar.n)
        self._close()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Leave the terminal to the message."""
        self._close()

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open a bar over the held-out views."""
        if self.refresh_every:
            self._bar = tqdm(total=int(sum(trainer.num_test_batches)), desc="held-out views", unit="view")

    def on_test_batch_end(self, *_: Any, **__: Any) -> None:
        """Move the bar by one view."""
        if self._bar is not None:
            self._bar.update()

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Close the bar."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
