"""Fixtures of several ranks: a scene, and a run on two of them that nothing has disturbed."""

from __future__ import annotations

from pathlib import Path

import pytest

# The scene of the command line's tests; in this process, runs without LPIPS and with one thread.
from cli.conftest import _quick_and_alone, scene  # noqa: F401
from training.ranks.ranks import run_on_ranks
from training.ranks.runs import Straight, arguments


@pytest.fixture(scope="session")
def straight(scene: Path, tmp_path_factory: pytest.TempPathFactory) -> Straight:  # noqa: F811
    """Train a run on two ranks that Lightning starts."""
    folder = tmp_path_factory.mktemp("straight")
    done = run_on_ranks(["fit", *arguments(scene, folder), "--trainer.devices=2"])
    assert done.returncode == 0, done.stderr
    return Straight(folder, done.stderr)
