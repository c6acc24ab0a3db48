"""The benchmark of several GPUs: what it sums, and what it says."""

from __future__ import annotations

import sys
import time
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
    """Average over two ranks, the other of which is simulated."""
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
    assert lines[-1] == "fast: 7 MB of gradients, 25% of them nonzero on a rank"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--presets", "fast", "quick"], "--presets: expected some of fast, "),
        (["--seconds=5"], "--seconds: expected a --scene"),
        (["--ranks=2"], "--ranks: expected at most the 1 GPUs of this machine, found 2"),
    ],
)
def test_what_cannot_be_measured_is_refused_at_once(
    words: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ranks, "visible_gpus", lambda: ["3"])
    assert ranks.main(words) == 2
    assert message in capsys.readouterr().err


def test_one_rank_has_a_gpu_of_ours_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three presets on two GPUs: the third waits until one is free, whichever that is."""
    busy: list[str] = []
    together: list[tuple[str, ...]] = []
    waiting = {"fast": 0.3, "paper": 0.0, "tiny": 0.1}

    def run(command: list[str], env: dict[str, str], **_: object) -> SimpleNamespace:
        preset = next(name for name in waiting if any(f"presets/{name}.yaml" in word for word in command))
        busy.append(env["CUDA_VISIBLE_DEVICES"])
        together.append(tuple(busy))
        time.sleep(waiting[preset])
        busy.remove(env["CUDA_VISIBLE_DEVICES"])
        return SimpleNamespace(stdout="")

    monkeypatch.setattr(ranks, "visible_gpus", lambda: ["5", "7"])
    monkeypatch.setattr(ranks.subprocess, "run", run)
    monkeypatch.setattr(ranks.Bench, "_scene", lambda self, preset: tmp_path)
    options = ranks.parser().parse_args(["--presets", *waiting])
    options.ways = []  # the runs on one rank alone
    ranks.Bench(options, tmp_path).times()
    assert all(len(set(gpus)) == len(gpus) for gpus in together)
    assert {gpu for gpus in together for gpu in gpus} == {"5", "7"}
    assert len(together) == 3
