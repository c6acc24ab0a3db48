"""The diffuse phase in real runs: on one rank, and on two that have to agree."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cli.helpers import diffuse, fit, small, tensors
from cli.ranks import run_on_ranks


# Runs have 6 steps, an epoch has 8.
@pytest.mark.parametrize(
    ("length", "gate"),
    [({"fraction": 1.0}, 0), ({"epochs": 1}, 0), ({"fraction": 0.5}, 1), ({"epochs": 0}, 1)],
    ids=str,
)
def test_the_gate_is_closed_during_the_phase_and_open_behind_it(
    scene: Path, tmp_path: Path, length: dict[str, float], gate: float
) -> None:
    found = tensors(fit(scene, tmp_path / "run", *diffuse(tmp_path, **length)))
    assert found["mpi.gate"] == gate
    assert (found["mpi.field.features"].abs().max() > 0) == bool(gate)


@pytest.mark.slow
def test_two_ranks_stay_equal_through_the_phase(scene: Path, tmp_path: Path) -> None:
    keeper = {"class_path": "cli.ranks.WeightKeeper", "init_args": {"folder": str(tmp_path)}}
    done = run_on_ranks(
        [
            "fit",
            *small(scene, f"--run.folder={tmp_path / 'run'}"),
            *diffuse(tmp_path, keeper, fraction=0.5),
            "--trainer.devices=2",
            "--trainer.strategy=ddp",
        ],
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    first, second = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in (0, 1))
    assert first["gates"] == second["gates"] == [0, 0, 0, 1, 1, 1]
    assert first["weights"].keys() == second["weights"].keys()
    for name, value in first["weights"].items():
        assert torch.equal(second["weights"][name], value), name
    assert first["weights"]["field.features"].abs().max() > 0
