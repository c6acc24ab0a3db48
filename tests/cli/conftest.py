"""Fixtures of the command line's tests: a scene, and a run that is trained once for each file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.helpers import HEIGHT, HELD_OUT, NUM_TRAINING_VIEWS, ROOT, WIDTH, fit, quick_and_alone


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write ten views of the shipped scene at a small size, once for all tests."""
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
    """Run all tests of a file quickly and alone."""
    with quick_and_alone():
        yield


@pytest.fixture(scope="module")
def run(_quick_and_alone: None, scene: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train once, and return the run's folder; tests that change something copy it first."""
    return fit(scene, tmp_path_factory.mktemp("runs") / "finished")
