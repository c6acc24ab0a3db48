"""Shared by all tests: the skip rules of continuous integration, threads, paths of scenes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest_plugins = ["no_skips"]

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure(config: pytest.Config) -> None:
    """Workers of pytest-xdist have a core each, where threads of one would wait for those of another.

    Said before workers start: they import torch before they come to this file.
    """
    if config.getoption("numprocesses", None):
        os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture
def demo_scene() -> Path:
    """The shipped scene."""
    return ROOT / "scenes" / "demo"


@pytest.fixture
def experiments() -> Path:
    """The folder of YAML files."""
    return ROOT / "experiments"


@pytest.fixture
def fern() -> Path:
    """A real capture, where the checkout has it beside itself."""
    path = ROOT.parent / "shared" / "scenes" / "fern"
    if not path.exists():
        pytest.skip(f"the fern scene is not there: {path}")
    return path
