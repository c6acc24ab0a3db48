"""A run that is killed goes on where it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from capture.conftest import contents
from capture.rendering import align, facing_cameras, lens, render, room
from normnex_pl.data.readers.llff import LLFFReader

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not hasattr(os, "sched_setaffinity"), reason="this system can't hold a run to two cores"
    ),
]

COUNT = 10
PATIENCE = 120.0


def start(photos: Path, scene: Path) -> subprocess.Popen[bytes]:
    """Start on two cores, so that features are found two or four photos at a time."""
    command = [sys.executable, "-m", "normnex_pl", "prepare", str(photos), str(scene)]
    cores = sorted(os.sched_getaffinity(0))[:2]
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )


def kill_when(log: Path, word: str, process: subprocess.Popen[bytes], times: int = 1) -> str:
    """Kill a run once it has logged a word often enough; return its log."""
    before = len(log.read_text()) if log.exists() else 0
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        said = log.read_text()[before:] if log.exists() else ""
        if said.count(word) >= times:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return log.read_text()[before:]
        assert process.poll() is None, f"finished before it said {word}"
        time.sleep(0.005)
    process.kill()
    pytest.fail(f"never said {word}")


def test_a_run_that_is_killed_in_every_step_ends_with_the_scene(tmp_path: Path) -> None:
    photos, scene, true = tmp_path / "photos", tmp_path / "scene", facing_cameras(COUNT)
    photos.mkdir()
    for number, pose in enumerate(true):
        Image.fromarray(render(lens(320, 240, 270), pose, room())).save(photos / f"{number}.png")
    before = contents(photos)
    log = tmp_path / "scene.prepare" / "prepare.log"

    first = kill_when(log, "=== Feature extraction", start(photos, scene), times=2)
    second = kill_when(log, "=== Feature matching", start(photos, scene))
    third = kill_when(log, "Registering image #", start(photos, scene))
    assert not scene.exists()
    final_size = len(log.read_text())
    assert start(photos, scene).wait() == 0

    # What is in the database isn't found again.
    assert 2 <= first.count("Features:") < COUNT
    assert 0 < second.count("Features:") <= COUNT - 2
    assert third.count("Features:") == 0
    last = (scene / "prepare.log").read_text()[final_size:]
    assert last.count("Features:") == 0
    assert "Registering image #" in last
    assert contents(photos) == before
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "scene"}
    assert json.loads((scene / "report.json").read_text())["registered"] == COUNT
    places = LLFFReader().read(scene, None).c2w[:, :, 3]
    scale, rotation, shift = align(places, true[:, :, 3])
    np.testing.assert_allclose(scale * places @ rotation.T + shift, true[:, :, 3], atol=0.01)
