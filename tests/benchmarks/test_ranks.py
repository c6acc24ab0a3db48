"""The benchmark of several GPUs: what it sums, and what it says."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, distributed

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "experiments" / "benchmarks"))

import rank_parts  # noqa: E402
import ranks  # noqa: E402


def test_touched_values_are_means_over_the_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two ranks, the other of which is played here."""
    here = torch.tensor([0.0, 1.0, 0.0, -3.0, 0.0, 4.0])
    there = torch.tensor([0.0, 0.0, 2.0, 1.0, 0.0, -4.0])
    sent: list[int] = []

    def all_reduce(values: Tensor, kind: object = None) -> None:
        sent.append(values.numel())
        if kind == distributed.ReduceOp.MAX:
            values |= (there != 0).to(values.dtype)
        else:
            values += there[(here != 0) | (there != 0)]

    monkeypatch.setattr(distributed, "all_reduce", all_reduce)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 2)
    bucket = SimpleNamespace(buffer=here.clone)
    expected = (here + there) / 2
    assert torch.equal(rank_parts.touched_values(None, bucket).wait(), expected)  # type: ignore[arg-type]
    assert sent == [6, 4]


def test_the_report_compares_with_one_rank_and_names_what_failed() -> None:
    row = {"ms_per_step": 10.0, "rays_per_second": 800_000.0, "peak_gpu_gib": None}
    row |= {"gradient_mb": 7.0, "touched": 0.25}
    fast = {
        ranks.ALONE: row,
        "yaml": row | {"ms_per_step": 12.5, "rays_per_second": 1_280_000.0},
        "bf16": {"failure": "out of memory"},
    }
    lines = ranks.report({"fast": fast}, 2).splitlines()
    assert "| fast | yaml | 12.50 | 1,280,000 | 1.60 | - | - |" in lines
    assert "| fast | bf16 | failed | | | | |" in [" ".join(line.split()) for line in lines]
    assert lines[-1] == "fast: 7 MB of gradients, 25% of them not zero on a rank"
