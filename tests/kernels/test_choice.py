"""Conditions under which kernels run, and the fallback to their twins everywhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from normnex_pl.kernels import dry_run, kernels_run_on, launch

RENDER = """
import torch
from normnex_pl.kernels import dry_run, kernels_run_on
from normnex_pl.kernels.language import HAS_TRITON
from support.small import FIELDS, forward_rays, make_mpi
assert not HAS_TRITON
with dry_run():
    assert not kernels_run_on(torch.zeros(1))
for kind in FIELDS:
    mpi = make_mpi(kind)
    with torch.no_grad():
        assert mpi.render(forward_rays(3)).rgb.isfinite().all()
"""


class Unlaunchable:
    """A kernel whose launch fails."""

    def __getitem__(self, programs: tuple[int, ...]) -> Any:
        raise AssertionError("launched")


def test_kernels_run_on_no_cpu() -> None:
    assert not kernels_run_on(torch.zeros(1))
    with pytest.raises(AssertionError, match="launched"):
        launch(Unlaunchable(), (1,), torch.zeros(1))


def test_a_dry_run_chooses_kernels_and_launches_none() -> None:
    pytest.importorskip("triton")
    with dry_run():
        assert kernels_run_on(torch.zeros(1))
        assert not kernels_run_on(torch.zeros(1, dtype=torch.float64))
        launch(Unlaunchable(), (1,), torch.zeros(1))
    assert not kernels_run_on(torch.zeros(1))


def test_a_dry_run_ends_with_an_error_too() -> None:
    with pytest.raises(RuntimeError, match="on the way"), dry_run():
        raise RuntimeError("on the way")
    assert not kernels_run_on(torch.zeros(1))


def test_without_triton_models_render_all_the_same(tmp_path: Path) -> None:
    """Render in a separate process, in which Triton can't be imported."""
    (tmp_path / "triton.py").write_text("raise ImportError('no Triton')")
    paths = [
        str(tmp_path),
        str(Path(__file__).parents[1]),
        *os.environ.get("PYTHONPATH", "").split(os.pathsep),
    ]
    done = subprocess.run(
        [sys.executable, "-c", RENDER],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
