"""Write pictures of the model's components and layers, during and after the training."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytorch_lightning as pl
import torch
from jaxtyping import UInt8
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import file_name
from normnex_pl.core.types import Scene, View
from normnex_pl.data.datamodule import SceneDataModule
from normnex_pl.evaluation.pictures.colors import write_png
from normnex_pl.evaluation.pictures.components import component_panels
from normnex_pl.evaluation.pictures.layers import check_layers, mpi_sheet
from normnex_pl.evaluation.pictures.sheet import panel_grid
from normnex_pl.normals.targets import view_components
from normnex_pl.training.callbacks.record import RecordKeeper
from normnex_pl.training.loggers.sinks import log_picture
from normnex_pl.training.module import NormNeXModule
from normnex_pl.training.run_folder import RunFolder

_COLUMNS = 4


@dataclass(frozen=True)
class PictureSettings:
    """The pictures that a training writes.

    Attributes:
        every_n_epochs: Epochs between two sets of pictures; 0 for the last step only.
        views: Names of the views to show; None for the first held-out one.
        layers: Layers on the sheet, counted from 0 at the front; None for up to eight, evenly spread, and the
            last two.
    """

    every_n_epochs: int = 0
    views: list[str] | None = None
    layers: list[int] | None = None


class ComponentPictures(pl.Callback):
    """Write and log the pictures of ``components/step_<step>/`` every few epochs and after the last step.

    Only the first rank renders, without collective operations; the others wait for it in their next step. The
    training isn't affected: no gradient, no state of an estimator and no random number changes.

    Args:
        run: The run folder.
        settings: When to write which pictures.
        record: Its clock is paused meanwhile.
    """

    def __init__(
        self,
        run: RunFolder,
        settings: PictureSettings = PictureSettings(),
        record: RecordKeeper | None = None,
    ) -> None:
        if settings.every_n_epochs < 0:
            raise UserError(f"pictures.every_n_epochs: expected at least 0, found {settings.every_n_epochs}.")
        self.run = run
        self.settings = settings
        self.record = record
        self._written_step = -1

    @override
    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        # Unknown views and layers are refused before the training.
        if stage == "fit":
            assert isinstance(pl_module, NormNeXModule)
            datamodule = trainer.datamodule  # type: ignore[attr-defined]
            assert isinstance(datamodule, SceneDataModule)
            self._views = find_views(datamodule.scene, self.settings.views)
            check_layers("pictures.layers", self.settings.layers, pl_module.mpi.num_layers)

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        every = self.settings.every_n_epochs
        if not every or (trainer.current_epoch + 1) % every:
            return
        if self.record is None:
            self._show(trainer, pl_module)
        else:
            with self.record.paused(pl_module):
                self._show(trainer, pl_module)

    @override
    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._show(trainer, pl_module)  # writes nothing if the last epoch has shown this step

    def _show(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, NormNeXModule)
        step = trainer.global_step
        if not trainer.is_global_zero or step == self._written_step:
            return
        self._written_step = step
        folder = self.run.components(step)
        cuda = [pl_module.device] if pl_module.device.type == "cuda" else []
        with torch.no_grad(), torch.random.fork_rng(devices=cuda):
            for name, picture in _pictures(pl_module, self._views, self.settings.layers):
                write_png(folder / file_name(name, ".png"), picture)
                for logger in trainer.loggers:
                    log_picture(logger, f"components/{name}", picture, step)


def _pictures(
    module: NormNeXModule, views: Sequence[View], layers: Sequence[int] | None
) -> Iterator[tuple[str, UInt8[np.ndarray, "height width 3"]]]:
    """Return all pictures of a model with their names, one view after the other."""
    mpi = module.mpi
    # A copy, since refreshing the estimator itself would change the targets of the training.
    estimator = copy.deepcopy(module.estimator)
    if estimator is not None:
        estimator.refresh(mpi)
    for stored in views:
        view = stored.to(module.device)
        shown = view_components(mpi, estimator, view, module.eval_chunk_size)
        panels = component_panels(shown, view, mpi.geometry, mpi.color.signed)
        for panel in panels:
            yield f"{view.name}_{panel.name}", panel.picture
        yield f"{view.name}_components", panel_grid(panels, _COLUMNS)
    yield "mpi_sheet", mpi_sheet(mpi, layers, module.eval_chunk_size)


def find_views(scene: Scene, names: Sequence[str] | None) -> list[View]:
    """Return views by name, or the first held-out one.

    Raises:
        UserError: There is no view of that name.
    """
    if names is None:
        return [scene.views[scene.test[0]]]
    by_name = {view.name: view for view in scene.views}
    if unknown := [name for name in names if name not in by_name]:
        raise UserError(
            f"pictures.views: expected names of views of the scene ({', '.join(by_name)}), "
            f"found {', '.join(unknown)}."
        )
    return [by_name[name] for name in names]
