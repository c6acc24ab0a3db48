"""Runs of the demo scene that notebooks and figures show: real ones, with a few steps each."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cli.helpers import ROOT, quick_and_alone, status_of
from cli.test_compare import run_here
from cli.test_sweep import words_of, written
from normnex_pl.studies.comparison import Run, read_comparison
from normnex_pl.training.trained_run import TrainedRun, read_run

VARIANTS = "nex_rgb nex_ycbcr normnex_density normnex_transmittance"
STEPS = 8
SMALLER = 7


@pytest.fixture(scope="package")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the shipped scene with its truth at a seventh of its width: evaluations then take seconds."""
    demo, folder = ROOT / "scenes" / "demo", tmp_path_factory.mktemp("small") / "demo"
    for name in ("images", "truth"):
        (folder / name).mkdir(parents=True)
    for path in (demo / "images").glob("*.jpg"):
        with Image.open(path) as image:
            small = image.resize((image.width // SMALLER, image.height // SMALLER), Image.Resampling.BOX)
        small.save(folder / "images" / f"{path.stem}.png")
    for path in (demo / "truth").glob("*.npz"):
        with np.load(path) as arrays:
            middle = slice(SMALLER // 2, None, SMALLER)
            np.savez(
                folder / "truth" / path.name, **{key: arrays[key][middle, middle] for key in arrays.files}
            )
    shutil.copy(demo / "poses_bounds.npy", folder)
    return folder


@pytest.fixture(scope="package")
def compared(scene: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run ``normnex compare`` with the options of ``make notebooks`` and few steps; return its folder."""
    folder = tmp_path_factory.mktemp("notebooks") / "compare-tiny"
    more = [f"--trainer.max_steps={STEPS}", "--data.num_validation_views=2", "--trainer.accelerator=cpu"]
    more += ["--trainer.check_val_every_n_epoch=null", f"--trainer.val_check_interval={STEPS // 2}"]
    more += [f"--data.width={504 // SMALLER}"]
    with quick_and_alone() as patch:
        patch.setattr("normnex_pl.studies.queue.worker.RunProcess", run_here)
        patch.setattr("normnex_pl.data.scene.fingerprint._sources", lambda package: "sources")
        words = [str(scene), f"--variants={VARIANTS}", "--preset=tiny", f"--out={folder}"]
        assert status_of("compare", *words, "--", *more) == 0
    return folder


@pytest.fixture(scope="package")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a sweep to its end, and return its folder."""
    folder = tmp_path_factory.mktemp("sweep")
    written(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "offline")
        assert status_of(*words_of(folder)) == 0
    return folder / "out"


@dataclass(frozen=True)
class Shown:
    """Runs, as notebooks have them."""

    compared: list[Run]
    trained: dict[str, TrainedRun]


@pytest.fixture(scope="package")
def shown(compared: Path, scene: Path) -> Shown:
    """Return the runs with their scores, and their models."""
    runs = read_comparison(compared)
    device = torch.device("cpu")
    return Shown(runs, {run.row: read_run(run.folder, scene, device) for run in runs})


@pytest.fixture
def paths(compared: Path, swept: Path, scene: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell notebooks where the runs are, as ``make notebooks`` does."""
    for name, path in (("RUNS", compared), ("SWEEP", swept), ("SCENE", scene)):
        monkeypatch.setenv(name, os.fspath(path))
