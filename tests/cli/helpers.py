"""Runs of the command line in this process, on a scene of forty pixels."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import wandb
import yaml
from numpy.typing import NDArray
from PIL import Image

from normnex_pl.cli.main import main
from normnex_pl.training.configurations import config_files, config_words
from normnex_pl.training.memory.count import MemoryEstimate

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENTS = ROOT / "experiments"

# Of a scene with ten photos; every eighth is held out.
WIDTH, HEIGHT = 40, 30
HELD_OUT = ("view_000", "view_008")
NUM_TRAINING_VIEWS = 8


@contextmanager
def quick_and_alone() -> Iterator[pytest.MonkeyPatch]:
    """Run without what takes longer than the run itself: the network of LPIPS, the count of memory.

    They leave no settings behind, and have one thread, since several only wait for each other in steps as
    small as these.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("normnex_pl.evaluation.metrics._lpips_network", lambda device: None)
        patch.setattr(
            "normnex_pl.training.memory.plan.estimate_training", lambda *_: MemoryEstimate(0, 0, 0, 0, 0)
        )
        patch.setattr("sys.argv", ["normnex"])  # Lightning warns of arguments in two places
        for name in ("PL_GLOBAL_SEED", "PL_SEED_WORKERS"):
            patch.setenv(name, "0")
        try:
            yield patch
        finally:
            torch.set_num_threads(threads)
            if "WANDB_SERVICE" in os.environ:  # W&B's, which processes of later tests would turn to
                wandb.teardown()


def configs(variant: str = "nex_rgb", preset: str = "tiny") -> list[str]:
    """Return the files that ``normnex train`` composes, from the general to the special."""
    return config_words(config_files(variant, preset))


def small(scene: Path, *more: str, **preset: str) -> list[str]:
    """Return the arguments of ``normnex fit`` that make a run on the CPU last a second; later ones win."""
    return [
        *configs(**preset),
        f"--data.scene={scene}",
        f"--data.width={WIDTH}",
        "--data.rays_per_step=60",
        "--model.num_layers=2",
        "--model.sublayers=2",
        "--trainer.accelerator=cpu",
        "--trainer.log_every_n_steps=1",
        "--trainer.max_steps=6",
        *more,
    ]


def status_of(*words: str) -> int:
    """Return the status that a command ends with."""
    try:
        main(list(words))
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def fit(scene: Path, folder: Path, *more: str) -> Path:
    """Train in a run folder and return it."""
    main(["fit", *small(scene, f"--run.folder={folder}", *more)])
    return folder


def diffuse(
    folder: Path, *more: dict[str, object], epochs: int | None = None, fraction: float | None = None
) -> list[str]:
    """Return the arguments of ``nex_ycbcr`` with a diffuse phase of its own, and further callbacks."""
    length = {"epochs": epochs, "fraction": fraction}  # both: what isn't named stays as the variant has it
    phase = {"class_path": "normnex_pl.training.callbacks.DiffusePhase", "init_args": length}
    path = folder / "phase.yaml"
    path.write_text(yaml.safe_dump({"trainer": {"callbacks": [phase, *more]}}), encoding="utf-8")
    return ["-c", str(EXPERIMENTS / "variants" / "nex_ycbcr.yaml"), "-c", str(path)]


def evaluate(folder: Path, *more: str) -> dict[str, Any]:
    """Evaluate a run folder again and return its metrics."""
    main(["eval", str(folder), *more])
    return metrics(folder)


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the message of a command that must be refused: all that it says on stderr's last lines."""
    capsys.readouterr()
    status = status_of(*arguments)
    stderr = capsys.readouterr().err
    assert status == 2, stderr
    return the_one_message(stderr)


def the_one_message(stderr: str) -> str:
    """Return what follows ``error:``, provided that it comes once, last, and without pages of other text."""
    assert "Traceback" not in stderr
    assert "usage:" not in stderr
    before, message = ("\n" + stderr).split("\nerror: ")
    assert len(before.splitlines()) < 10, before
    assert len(message.splitlines()) == 1, message
    return message.strip()


def metrics(folder: Path) -> dict[str, Any]:
    """Return the content of ``metrics.json``."""
    content: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return content


def scalars(folder: Path) -> list[dict[str, str]]:
    """Return the rows of ``metrics.csv``."""
    with (folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def checkpoint(folder: Path) -> dict[str, Any]:
    """Return the content of the last checkpoint, read without executing anything."""
    content: dict[str, Any] = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    return content


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    """Return the weights in the last checkpoint."""
    state = checkpoint(folder)["state_dict"]
    return {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}


def picture(path: Path) -> NDArray[np.float64]:
    """Return the pixels of an RGB picture, in [0, 1]."""
    with Image.open(path) as image:
        assert image.mode == "RGB"
        return np.asarray(image) / 255
