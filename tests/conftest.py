"""Shared by all tests: the skip rules of continuous integration, kernels, threads, paths of scenes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

import pytest

pytest_plugins = ["no_skips"]

ROOT = Path(__file__).resolve().parents[1]
# Triton compiles the source of these modules' functions, which therefore can't be wrapped in shape checks.
KERNELS = ("normnex_pl.kernels.",)
# The slowest files, which mostly wait: a worker that took them last would finish long after the others.
LONGEST = ("test_cluster.py", "test_ranks.py", "test_kill.py", "test_resume.py", "test_sweep.py")


class UncheckedKernels(MetaPathFinder):
    """A finder of kernels' modules that precedes the import hook that adds checks of shapes."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find modules of kernels without the hook; leave all others to it."""
        return PathFinder.find_spec(fullname, path) if fullname.startswith(KERNELS) else None


def pytest_sessionstart() -> None:
    """Insert the finder after the configuration, which puts the hook first."""
    sys.meta_path.insert(0, UncheckedKernels())


def pytest_configure(config: pytest.Config) -> None:
    """Limit the workers of pytest-xdist to one thread each, as they have one core each.

    The environment is set before workers start, since they import torch before they load this file.
    Waiting threads soon release their cores to other programs, as those of the command do.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"} & set(os.environ):
        os.environ.update({"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"})
    if config.getoption("numprocesses", None):
        os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; with ``--no-loadscope-reorder``, workers take them in this order."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture
def demo_scene() -> Path:
    """Return the folder of the shipped scene."""
    return ROOT / "scenes" / "demo"


@pytest.fixture
def experiments() -> Path:
    """Return the folder of YAML files."""
    return ROOT / "experiments"


@pytest.fixture
def fern() -> Path:
    """Return the folder of a real capture; skip the test if it isn't beside the checkout."""
    path = ROOT.parent / "shared" / "scenes" / "fern"
    if not path.exists():
        pytest.skip(f"the fern scene is not there: {path}")
    return path
