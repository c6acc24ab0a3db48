"""Real processes that are killed, or find the disk full: what they leave goes on as if nothing happened."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from cli.helpers import checkpoint, fit, scalars, small, tensors

EVERY = 10
STEPS = 240
MORE = (f"--checkpoint_every={EVERY}", f"--trainer.max_steps={STEPS}")


def start(scene: Path, folder: Path, *more: str, largest_file: int | None = None) -> subprocess.Popen[str]:
    """Start a training in a process of its own, with one thread as the tests' own."""
    words = [*small(scene, f"--run.folder={folder}"), *MORE, *more]

    def limit() -> None:
        assert largest_file is not None
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    return subprocess.Popen(
        [sys.executable, "-m", "normnex_pl", "fit", *words],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=None if largest_file is None else limit,
    )


def saved_step(folder: Path) -> int:
    """Return the step of the newest checkpoint, which must be whole; -1 if there is none."""
    path = folder / "checkpoints" / "last.ckpt"
    return int(checkpoint(folder)["global_step"]) if path.exists() else -1


def kill_after(process: subprocess.Popen[str], folder: Path, step: int, pause: float) -> None:
    """Kill a training at some moment after it has passed a step."""
    end = time.monotonic() + 120
    while saved_step(folder) <= step:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)
    time.sleep(pause)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def straight(scene: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a run without interruption."""
    return fit(scene, tmp_path_factory.mktemp("kill") / "straight", *MORE)


def assert_equal(run: Path, straight: Path) -> None:
    """Compare two runs to the last bit, and in every logged row."""
    expected, found = tensors(straight), tensors(run)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
    assert scalars(run) == scalars(straight)


@pytest.mark.slow
def test_a_run_that_is_killed_at_random_moments_ends_as_if_nothing_had_happened(
    scene: Path, straight: Path, tmp_path: Path
) -> None:
    pauses = [random.uniform(0, 0.5) for _ in range(2)]  # wherever it is: in a step, in a checkpoint, between
    print(f"killed {pauses} s behind a checkpoint")
    folder, before = tmp_path / "run", -1
    for pause in pauses:
        kill_after(start(scene, folder), folder, before, pause)
        step = saved_step(folder)
        assert step > before
        assert step < STEPS
        assert step % EVERY == 0
        before = step
    (folder / "checkpoints" / ".last-killed.ckpt").touch()  # as of a moment that chance may not have met
    assert_equal(fit(scene, folder, *MORE), straight)
    assert [file.name for file in (folder / "checkpoints").iterdir()] == ["last.ckpt"]


@pytest.mark.slow
def test_a_full_disk_costs_no_checkpoint(scene: Path, straight: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    kill_after(start(scene, folder), folder, -1, 0.0)
    path = folder / "checkpoints" / "last.ckpt"
    before = path.read_bytes()
    process = start(scene, folder, largest_file=len(before) // 2)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2, errors
    message = errors.rpartition("\nerror: ")[2]
    for word in (str(path), "File too large", f"step {saved_step(folder)}", "goes on"):
        assert word in message
    assert "Traceback" not in errors
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]
    assert_equal(fit(scene, folder, *MORE), straight)
