"""Shared by all tests: the skip rules of continuous integration, shape checks, paths of scenes."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["no_skips"]

ROOT = Path(__file__).resolve().parents[1]


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
