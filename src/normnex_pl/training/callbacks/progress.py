"""One progress bar for the whole training, with PSNR and the time left."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from tqdm import tqdm
from typing_extensions import override


class RunProgressBar(pl.callbacks.ProgressBar):
    """Show the steps of the whole run: an epoch has only as many as there are training views.

    Args:
        refresh_every: Steps between two updates, each of which synchronises with the device for the PSNR.
    """

    def __init__(self, refresh_every: int = 25) -> None:
        super().__init__()
        self.refresh_every = refresh_every
        self._bar: tqdm[Any] | None = None

    @override
    def disable(self) -> None:
        """Show no bar: Lightning calls this on all ranks but the first."""
        self.refresh_every = 0

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the bar at the step where the run is."""
        if self.refresh_every:
            total = int(trainer.estimated_stepping_batches)
            self._bar = tqdm(total=total, initial=trainer.global_step, desc="train", unit="step")

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any, **__: Any
    ) -> None:
        """Move the bar."""
        if self._bar is not None and trainer.global_step % self.refresh_every == 0:
            self._bar.set_postfix_str(f"PSNR {outputs['psnr'].item():.2f} dB", refresh=False)
            self._bar.update(trainer.global_step - self._bar.n)

    @override
    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Close the bar at the last step."""
        if self._bar is not None:
            self._bar.update(trainer.global_step - self._bar.n)
        self._close()

    @override
    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Close the bar before the error message is printed."""
        self._close()

    @override
    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open a bar over the held-out views."""
        if self.refresh_every:
            self._bar = tqdm(total=int(sum(trainer.num_test_batches)), desc="held-out views", unit="view")

    @override
    def on_test_batch_end(self, *_: Any, **__: Any) -> None:
        """Move the bar by one view."""
        if self._bar is not None:
            self._bar.update()

    @override
    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Close the bar."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
