"""Give the planes their first colours, before training starts."""

from __future__ import annotations

import time

import pytorch_lightning as pl

from normnex_pl.data.datamodule import SceneDataModule
from normnex_pl.training.initialization import Initialization
from normnex_pl.training.module import NormNeXModule


class InitialPlanes(pl.Callback):
    """Initialises the multiplane image from the training views; the time counts as training.

    Before Lightning restores a checkpoint and before DDP spreads the first rank's parameters: a resumed run
    goes on with its own, and all ranks start with the same.

    Args:
        initialization: How.
    """

    def __init__(self, initialization: Initialization) -> None:
        self.initialization = initialization

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Run once, on the device that training will use."""
        if stage != "fit":
            return
        assert isinstance(pl_module, NormNeXModule)
        data: SceneDataModule = trainer.datamodule  # type: ignore[attr-defined]
        start = time.perf_counter()
        device = trainer.strategy.root_device
        views = [data.scene.views[i].to(device) for i in data.train_views]
        self.initialization(pl_module.mpi, views)
        # The parameters lie on the host: they have been waited for.
        pl_module.record.seconds += time.perf_counter() - start
