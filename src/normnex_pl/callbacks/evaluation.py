"""Judges held-out views and writes what the run folder holds of them."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from normnex_pl.baselines import best_plane_warp_psnr, nearest_training_view
from normnex_pl.data.datamodule import SceneDataModule, move_view
from normnex_pl.files import write_json
from normnex_pl.metrics import image_metrics
from normnex_pl.module import NormNeXModule
from normnex_pl.pictures import contact_sheet, error_map, to_bytes, write_png
from normnex_pl.types import View

METRICS = ("psnr", "ssim", "ssim_nex", "lpips_vgg")
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


class EvaluationWriter(pl.Callback):
    """Writes pictures of each held-out view, a contact sheet and ``metrics.json``.

    Args:
        folder: The run folder.
        name: What the run is called by.
    """

    def __init__(self, folder: Path, name: RunName) -> None:
        self.folder = folder
        self.name = name
        self._views: list[dict[str, Any]] = []
        self._pictures: list[list[np.ndarray]] = []
        self._warps: list[float] = []

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forgets an earlier evaluation."""
        self._views, self._pictures, self._warps = [], [], []

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: View,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Judges one view and writes its pictures; all ranks render, the first one judges."""
        if not trainer.is_global_zero:
            return
        truth = batch.rgb
        pictures = [to_bytes(outputs["rgb"]), to_bytes(truth), error_map(outputs["rgb"], truth)]
        for component, picture in zip(_COLUMNS, pictures, strict=True):
            write_png(self.folder / "test" / f"{batch.name}_{component}.png", picture)
        self._pictures.append(pictures)
        self._views.append({"name": batch.name, **image_metrics(outputs["rgb"], truth)})
        datamodule = trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(datamodule, SceneDataModule)
        source = move_view(nearest_training_view(datamodule.scene, batch.camera), batch.image.device)
        near, far = datamodule.geometry.near, datamodule.geometry.far
        self._warps.append(best_plane_warp_psnr(source, batch, near, far))

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes the summary and prints it."""
        if not trainer.is_global_zero:
            return
        assert isinstance(pl_module, NormNeXModule)
        labels = [_label(view) for view in self._views]
        sheet = self.folder / "test" / "contact_sheet.png"
        write_png(sheet, contact_sheet(self._pictures, _COLUMNS, labels))
        summary = summarize(self.name, pl_module, self._views)
        write_json(self.folder / "metrics.json", summary)
        print(_report(summary, self._warps))  # noqa: T201
        print(f"Scores: {self.folder / 'metrics.json'}\nPictures: {sheet}")  # noqa: T201


def summarize(name: RunName, module: NormNeXModule, views: list[dict[str, Any]]) -> dict[str, Any]:
    """The content of ``metrics.json``."""
    record = module.record
    return {
        "scene": name.scene,
        "variant": name.variant,
        "preset": name.preset,
        "steps": record.steps,
        "train_seconds": round(record.seconds, 3),
        "rays_per_second": round(record.rays / record.seconds, 1) if record.seconds else None,
        "peak_gpu_gib": record.peak_gpu_gib,
        "num_parameters": sum(parameter.numel() for parameter in module.parameters()),
        "test": {metric: _mean([view[metric] for view in views]) for metric in METRICS},
        "views": views,
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in _VERSIONED},
        "commit": _commit(),
    }


def _mean(values: list[float | None]) -> float | None:
    """None where a value is missing: a mean over some of the views would mislead."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _version(package: str) -> str | None:
    if package == "torch":
        return str(torch.__version__)
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The checkout's commit, marked where the tree differs from it; None outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--abbrev=40", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _format(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _label(view: dict[str, Any]) -> str:
    scores = f"PSNR {view['psnr']:.2f} dB, SSIM {view['ssim']:.3f}, LPIPS {_format(view['lpips_vgg'], 3)}"
    return f"{view['name']}: {scores}"


def _report(summary: dict[str, Any], warps: list[float]) -> str:
    """A table for the terminal: a line a view, and their means."""
    lines = [f"{'held-out view':<24}{'PSNR':>8}{'SSIM':>8}{'LPIPS':>8}{'best plane warp':>18}"]
    rows = [*summary["views"], {"name": "mean", **summary["test"]}]
    for row, warp in zip(rows, [*warps, sum(warps) / len(warps)], strict=True):
        scores = f"{row['psnr']:>8.2f}{row['ssim']:>8.3f}{_format(row['lpips_vgg'], 3):>8}"
        lines.append(f"{row['name']:<24}{scores}{warp:>15.2f} dB")
    lines.append(
        "(best plane warp: the nearest training photo, shown through the one plane that suits the view best)"
    )
    return "\n".join(lines)
