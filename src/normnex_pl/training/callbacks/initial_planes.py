"""Initialise the multiplane image before the first step."""

from __future__ import annotations

import time

import pytorch_lightning as pl
from typing_extensions import override

from normnex_pl.data.datamodule import SceneDataModule
from normnex_pl.training.initialization import Initialization
from normnex_pl.training.module import NormNeXModule


class InitialPlanes(pl.Callback):
    """Initialise the multiplane image from the training views; the time counts as training.

    It runs before Lightning restores a checkpoint and before DDP broadcasts the first rank's parameters: a
    resumed run goes on with its own, and all ranks start with the same.

    Args:
        initialization: Sets the parameters.
    """

    def __init__(self, initialization: Initialization) -> None:
        self.initialization = initialization

    @override
    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Compute on the device that training will use."""
        if stage != "fit":
            return
        assert isinstance(pl_module, NormNeXModule)
        data: SceneDataModule = trainer.datamodule  # type: ignore[attr-defined]
        start = time.perf_counter()
        device = trainer.strategy.root_device
        views = [data.scene.views[i].to(device) for i in data.train_views]
        self.initialization(pl_module.mpi, views)
        # The parameters lie on the host: copying them there has synchronised with the device.
        pl_module.record.seconds += time.perf_counter() - start
