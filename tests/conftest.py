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
# Modules of functions for Triton, which compiles their source: it can't be wrapped in checks of shapes.
KERNELS = ("normnex_pl.kernels.",)
# Files that take longest, most of it in waiting: a worker that came to them last would end alone.
LONGEST = ("test_cluster.py", "test_ranks.py", "test_kill.py", "test_resume.py", "test_sweep.py")


class UncheckedKernels(MetaPathFinder):
    """Finds modules of kernels before the import hook that adds checks of shapes does."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See the base class."""
        return PathFinder.find_spec(fullname, path) if fullname.startswith(KERNELS) else None


def pytest_sessionstart() -> None:
    """Behind the configuration, which puts the hook first."""
    sys.meta_path.insert(0, UncheckedKernels())


def pytest_configure(config: pytest.Config) -> None:
    """Workers of pytest-xdist have a core each, where threads of one would wait for those of another.

    Said before workers start: they import torch before they come to this file. Threads that wait soon
    leave their cores to other programs, as those of the command do.
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
