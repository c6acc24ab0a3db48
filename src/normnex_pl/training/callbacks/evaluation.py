"""Evaluate the held-out views, and write their scores and pictures into the run folder."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from typing_extensions import override

from normnex_pl.core.checkout import checkout_commit
from normnex_pl.core.truth import ViewTruth
from normnex_pl.core.types import Scene, View
from normnex_pl.data.datamodule import SceneDataModule
from normnex_pl.data.truth import read_truth
from normnex_pl.evaluation.pictures.colors import write_png
from normnex_pl.evaluation.report import contact_sheet, report
from normnex_pl.evaluation.summary import summarise, summarise_variation
from normnex_pl.evaluation.view_scores import ViewResult, evaluate_view
from normnex_pl.training.loggers.sinks import log_picture, log_scores
from normnex_pl.training.module import NormNeXModule
from normnex_pl.training.ranks import gather
from normnex_pl.training.run_folder import RunFolder
from normnex_pl.training.run_weights import model_digest

_VERSIONED = ("normnex_pl", "torch", "pytorch-lightning", "torchmetrics", "numpy")


@dataclass(frozen=True)
class RunName:
    """The name of a run.

    Attributes:
        scene: Name of the scene's folder.
        variant: Name of the model's variant.
        preset: Name of the size and schedule.
    """

    scene: str
    variant: str
    preset: str


class EvaluationWriter(pl.Callback):
    """Write pictures of each held-out view, a contact sheet and ``metrics.json``.

    Each rank evaluates the views that it has rendered, and the first one writes the summary.

    Args:
        run: The run folder.
        name: The name of the run.
    """

    def __init__(self, run: RunFolder, name: RunName) -> None:
        self.run = run
        self.name = name
        self._results: dict[int, ViewResult] = {}

    @override
    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        # A bad file of the scene's truth/ is refused before the training.
        if stage == "validate":
            return
        scene = _datamodule(trainer).scene
        for view in (scene.views[i] for i in scene.test):
            _read_truth(scene, view)

    @override
    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._results = {}

    @override
    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: View,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if outputs is None:  # another rank has rendered this view
            return
        scene, geometry = _datamodule(trainer).scene, _datamodule(trainer).geometry
        result = evaluate_view(outputs, batch, _read_truth(scene, batch), scene, geometry)
        for panel in result.panels:
            write_png(self.run.view_picture(batch.name, panel.name), panel.picture)
        self._results[batch_idx] = result

    @override
    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        parts = gather(trainer, self._results)
        gathered = {index: result for part in parts for index, result in part.items()}
        if trainer.is_global_zero:
            assert isinstance(pl_module, NormNeXModule)
            self._write_summary(trainer, pl_module, [gathered[index] for index in sorted(gathered)])

    def _write_summary(
        self, trainer: pl.Trainer, module: NormNeXModule, results: Sequence[ViewResult]
    ) -> None:
        """Write, log and print the scores and the contact sheet of all held-out views."""
        summary = run_facts(self.name, module) | summarise(results) | versions()
        summary["specular_variation"] = summarise_variation(results, _datamodule(trainer).scene)
        pictures = contact_sheet(results)
        write_png(self.run.contact_sheet, pictures)
        self.run.write_metrics(summary, partial(model_digest, module.mpi))
        for logger in trainer.loggers:
            log_picture(logger, "test/contact_sheet", pictures, summary["steps"])
            log_scores(logger, summary)
        print(report(summary, [result.warp for result in results]))  # noqa: T201
        print(f"Scores: {self.run.metrics}\nPictures: {self.run.contact_sheet}")  # noqa: T201


def run_facts(name: RunName, module: NormNeXModule) -> dict[str, Any]:
    """Return the facts about a run in ``metrics.json``: its name, the cost of its training, and its size."""
    record = module.record
    return {
        "scene": name.scene,
        "variant": name.variant,
        "preset": name.preset,
        "steps": record.steps,
        "ranks": record.ranks,
        "train_seconds": round(record.seconds, 3),
        "rays_per_second": round(record.rays / record.seconds, 1) if record.seconds else None,
        "peak_gpu_gib": record.peak_gpu_gib,
        "num_parameters": sum(parameter.numel() for parameter in module.parameters()),
        "num_outputs": module.mpi.num_outputs,
        "stored_bytes": module.mpi.stored_bytes,
        "learns_exposures": any(True for _ in module.exposure.parameters()),
    }


def versions() -> dict[str, Any]:
    """Return the versions in ``metrics.json``: of packages, and the commit of the sources."""
    packages = {name: _version(name) for name in _VERSIONED}
    return {"versions": {"python": platform.python_version()} | packages, "commit": checkout_commit()}


def _datamodule(trainer: pl.Trainer) -> SceneDataModule:
    datamodule = trainer.datamodule  # type: ignore[attr-defined]
    assert isinstance(datamodule, SceneDataModule)
    return datamodule


def _read_truth(scene: Scene, view: View) -> ViewTruth | None:
    """Read what the scene knows of a view.

    Raises:
        UserError: The file is bad.
    """
    return read_truth(scene.root, view.name, view.camera.height, view.camera.width)


def _version(package: str) -> str | None:
    if package == "torch":
        return str(torch.__version__)
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
