"""Fixtures of the command line's tests: a scene, and a run that is trained once for each file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cli.helpers import HEIGHT, HELD_OUT, NUM_TRAINING_VIEWS, ROOT, WIDTH, fit


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten views of the shipped scene, made small once, so that each test need not."""
    demo = ROOT / "scenes" / "demo"
    folder = tmp_path_factory.mktemp("scenes") / "desk"
    (folder / "images").mkdir(parents=True)
    count = NUM_TRAINING_VIEWS + len(HELD_OUT)
    for path in sorted((demo / "images").glob("*.jpg"))[:count]:
        with Image.open(path) as image:
            small = image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        small.save(folder / "images" / f"{path.stem}.png")
    np.save(folder / "poses_bounds.npy", np.load(demo / "poses_bounds.npy")[:count])
    return folder


@pytest.fixture(scope="module", autouse=True)
def _quick_and_alone() -> Iterator[None]:
    """Leaves LPIPS out, whose network takes longer to load than a run, and no settings behind.

    One thread, since several only wait for each other in steps as small as these.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("normnex_pl.metrics._lpips_network", lambda device: None)
        patch.setattr("sys.argv", ["normnex"])  # Lightning warns of arguments in two places
        for name in ("PL_GLOBAL_SEED", "PL_SEED_WORKERS"):
            patch.setenv(name, "0")
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def run(_quick_and_alone: None, scene: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run; tests that change something copy it first."""
    return fit(scene, tmp_path_factory.mktemp("runs") / "finished")
