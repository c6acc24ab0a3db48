"""Evaluate the held-out views, and write their scores and pictures into the run folder."""

from __future__ import annotations

import importlib.metadata
import platform
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from normnex_pl.core.checkout import checkout_commit
from normnex_pl.core.types import View, ViewTruth
from normnex_pl.data.datamodule import SceneDataModule
from normnex_pl.data.truth import read_truth
from normnex_pl.evaluation.baselines import best_plane_warp_psnr, nearest_training_view
from normnex_pl.evaluation.judge import judge, judge_variation
from normnex_pl.evaluation.pictures.colors import contact_sheet, error_map, to_bytes, write_png
from normnex_pl.evaluation.report import mean_of, report, view_label
from normnex_pl.training.loggers.sinks import log_picture, log_scores
from normnex_pl.training.module import NormNeXModule
from normnex_pl.training.ranks import gather
from normnex_pl.training.run_folder import RunFolder
from normnex_pl.training.run_weights import model_digest

METRICS = ("psnr", "ssim", "ssim_nex", "lpips_vgg", "psnr_flat_normals", "normal_target_deg")
# Of what the test has means of, by name: where a view has the value. Normals matter most where the gloss is.
_TRUTH_METRICS = {
    "diffuse_psnr": ("truth", "diffuse_psnr"),
    "diffuse_psnr_lobe": ("truth", "diffuse_psnr_lobe"),
    "darkest_photos_diffuse_psnr_lobe": ("truth", "darkest_photos_diffuse_psnr_lobe"),
    "highlight_psnr": ("truth", "highlight_psnr"),
    "normal_mae_deg": ("truth", "normals", "objects", "mean"),
    "normal_mae_deg_table": ("truth", "normals", "table", "mean"),
    "normal_mae_deg_mirror": ("truth", "normals", "mirror", "mean"),
    "normal_mae_deg_wall": ("truth", "normals", "wall", "mean"),
    "target_mae_deg": ("truth", "target_normals", "objects", "mean"),
    "target_mae_deg_table": ("truth", "target_normals", "table", "mean"),
}
_COLUMNS = ("render", "truth", "error")
_VERSIONED = ("normnex_pl", "torch", "pytorch-lightning", "torchmetrics", "numpy")


@dataclass(frozen=True)
class RunName:
    """What a run is called by.

    Attributes:
        scene: The scene folder's name.
        variant: Of the model.
        preset: Of its size and schedule.
    """

    scene: str
    variant: str
    preset: str


@dataclass(frozen=True)
class _Judged:
    """A held-out view as the rank that rendered it hands it to the first one.

    Attributes:
        position: Among the held-out views.
        scores: What ``metrics.json`` says of it.
        pictures: Those of the contact sheet.
        warp: PSNR of the nearest training photo, warped through the plane that suits best.
        specular: What the model adds to the diffuse part.
        truth: What the scene knows of the view.
    """

    position: int
    scores: dict[str, Any]
    pictures: list[np.ndarray]
    warp: float
    specular: Tensor
    truth: ViewTruth | None


class EvaluationWriter(pl.Callback):
    """Write pictures of each held-out view, a contact sheet and ``metrics.json``.

    Several ranks take turns: each judges the views that it has rendered, as one rank alone would, and the
    first one writes the summary.

    Args:
        run: The run folder.
        name: What the run is called by.
    """

    def __init__(self, run: RunFolder, name: RunName) -> None:
        self.run = run
        self.name = name
        self._judged: list[_Judged] = []

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Read the truth about the held-out views once, so that a bad file is refused before the training.

        Raises:
            UserError: A file of the scene's ``truth/`` is bad.
        """
        if stage == "validate":
            return
        scene = _datamodule(trainer).scene
        for view in (scene.views[i] for i in scene.test):
            read_truth(scene.root, view.name, view.camera.height, view.camera.width)

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget an earlier evaluation."""
        self._judged = []

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: View,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Judge a view that this rank has rendered, and write its pictures."""
        if outputs is None:
            return
        truth = batch.rgb
        pictures = [to_bytes(outputs["rgb"]), to_bytes(truth), error_map(outputs["rgb"], truth)]
        for component, picture in zip(_COLUMNS, pictures, strict=True):
            write_png(self.run.view_picture(batch.name, component), picture)
        datamodule = _datamodule(trainer)
        known = read_truth(datamodule.scene.root, batch.name, batch.camera.height, batch.camera.width)
        scores = judge(outputs, batch, known, datamodule.scene)
        source = nearest_training_view(datamodule.scene, batch.camera).to(batch.image.device)
        near, far = datamodule.geometry.near, datamodule.geometry.far
        warp = best_plane_warp_psnr(source, batch, near, far)
        specular = outputs["specular"].cpu()
        self._judged.append(_Judged(batch_idx, scores, pictures, warp, specular, known))

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gather what the ranks have judged, write the summary and print it."""
        everything = [view for judged in gather(trainer, self._judged) for view in judged]
        if not trainer.is_global_zero:
            return
        assert isinstance(pl_module, NormNeXModule)
        judged = sorted(everything, key=lambda view: view.position)
        views = [view.scores for view in judged]
        labels = [view_label(view) for view in views]
        sheet = self.run.contact_sheet
        pictures = contact_sheet([view.pictures for view in judged], _COLUMNS, labels)
        write_png(sheet, pictures)
        summary = summarize(self.name, pl_module, views)
        speculars, truths = [view.specular for view in judged], [view.truth for view in judged]
        summary["specular_variation"] = judge_variation(speculars, truths, _datamodule(trainer).scene)
        self.run.write_metrics(summary, partial(model_digest, pl_module.mpi))
        for logger in trainer.loggers:
            log_picture(logger, "test/contact_sheet", pictures, summary["steps"])
            log_scores(logger, summary)
        print(report(summary, [view.warp for view in judged]))  # noqa: T201
        print(f"Scores: {self.run.metrics}\nPictures: {sheet}")  # noqa: T201


def _datamodule(trainer: pl.Trainer) -> SceneDataModule:
    datamodule = trainer.datamodule  # type: ignore[attr-defined]
    assert isinstance(datamodule, SceneDataModule)
    return datamodule


def summarize(name: RunName, module: NormNeXModule, views: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the content of ``metrics.json``."""
    record = module.record
    paths = {metric: (metric,) for metric in METRICS} | _TRUTH_METRICS
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
        "test": {name: mean_of(views, path) for name, path in paths.items()},
        "views": views,
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in _VERSIONED},
        "commit": checkout_commit(),
    }


def _version(package: str) -> str | None:
    if package == "torch":
        return str(torch.__version__)
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
