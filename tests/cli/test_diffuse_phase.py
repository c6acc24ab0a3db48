"""The diffuse phase in real runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.helpers import diffuse, fit, tensors


# Runs have 6 steps, an epoch has 8.
@pytest.mark.parametrize(
    ("length", "gate"),
    [({"fraction": 1.0}, 0), ({"epochs": 1}, 0), ({"fraction": 0.5}, 1), ({"epochs": 0}, 1)],
    ids=str,
)
def test_the_gate_is_closed_during_the_phase_and_open_after_it(
    scene: Path, tmp_path: Path, length: dict[str, float], gate: float
) -> None:
    found = tensors(fit(scene, tmp_path / "run", *diffuse(tmp_path, **length)))
    assert found["mpi.gate"] == gate
    assert (found["mpi.field.features"].abs().max() > 0) == bool(gate)
