"""A headless Chromium and baked images of the demo scene, which the viewer and the exports share.

One browser a process: playwright starts no second one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from cli.helpers import ROOT, configs, quick_and_alone
from export.viewer.browser import FLAGS, HELD_OUT, Baked, Browser, open_browser
from normnex_pl.cli.main import main
from normnex_pl.export.baked.pipeline import BakeSettings, bake
from normnex_pl.training.trained_run import read_run

WIDTH, FEW = 168, 10
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
# Amplifies specular highlights, after a training of seconds, to those of a long one.
HIGHLIGHTS = 15.0
# Noise on the features: some normals then face away from the camera.
ROUGHNESS = 0.15


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Chromium, found by the variable CHROMIUM or on the path; never download one."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        pytest.skip(f"no browser: neither CHROMIUM nor any of {', '.join(PROGRAMS)}")
    with open_browser(found, FLAGS) as browser:
        yield browser


@pytest.fixture(scope="session")
def bakes(scene: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Baked]:
    """Return a function that trains a variant briefly on the shipped scene and bakes it, once each."""
    made: dict[str, Baked] = {}

    def make(variant: str) -> Baked:
        if variant not in made:
            made[variant] = _train_and_bake(variant, scene, tmp_path_factory.mktemp("runs") / variant)
        return made[variant]

    return make


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy ten views of the shipped scene."""
    demo, folder = ROOT / "scenes" / "demo", tmp_path_factory.mktemp("scenes") / "demo"
    (folder / "images").mkdir(parents=True)
    for path in sorted((demo / "images").glob("*.jpg"))[:FEW]:
        shutil.copy(path, folder / "images")
    np.save(folder / "poses_bounds.npy", np.load(demo / "poses_bounds.npy")[:FEW])
    return folder


def _train_and_bake(variant: str, scene: Path, run: Path) -> Baked:
    with quick_and_alone():
        short = [f"--data.width={WIDTH}", "--trainer.max_steps=20", "--data.rays_per_step=600"]
        main(
            [
                *("fit", *configs(variant), f"--data.scene={scene}", f"--run.folder={run}"),
                *(*short, "--trainer.accelerator=cpu"),
            ]
        )
        trained = read_run(run, None, torch.device("cpu"))
    with torch.no_grad():
        features = trained.module.mpi.field.features
        generator = torch.Generator().manual_seed(0)
        features.mul_(HIGHLIGHTS).add_(ROUGHNESS * torch.randn(features.shape, generator=generator))
    views = trained.data.scene.views
    cameras = [views[i].camera for i in trained.data.train_views]
    bake(trained.module.mpi, cameras, run / "mpi", BakeSettings(), {"scene": "demo", "variant": variant})
    return Baked(run / "mpi", {name: views[i].camera for name, i in HELD_OUT.items()})
