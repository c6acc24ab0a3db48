"""The run that tests of several ranks start in different ways: 44 steps, of which 26 are diffuse."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from cli.helpers import EXPERIMENTS, WIDTH, configs
from training.ranks.ranks import Witness, callback

STEPS, DIFFUSE = 44, 26
VARIANT, PRESET = "nex_ycbcr", "tiny"
RAYS = 60


@dataclass(frozen=True)
class Straight:
    """A run that went from its first to its last step.

    Attributes:
        folder: With ``run/`` and what the witnesses stored.
        stderr: Of all ranks.
    """

    folder: Path
    stderr: str


def options(folder: Path, *callbacks: dict[str, object]) -> list[str]:
    """Return the arguments after variant, preset and scene that make the run last seconds on a CPU.

    Args:
        folder: Gets ``run/``, the run folder.
        callbacks: Further ones; each run has witnesses, which store in ``folder``.
    """
    phase = {
        "class_path": "normnex_pl.training.callbacks.DiffusePhase",
        "init_args": {"fraction": DIFFUSE / STEPS, "epochs": None},
    }
    everything = [phase, callback(Witness, folder=str(folder)), *callbacks]
    path = folder / "callbacks.yaml"
    path.write_text(yaml.safe_dump({"trainer": {"callbacks": everything}}), encoding="utf-8")
    return [
        *("-c", str(path)),
        f"--run.folder={folder / 'run'}",
        f"--data.width={WIDTH}",
        f"--data.rays_per_step={RAYS}",
        "--model.num_layers=2",
        "--model.sublayers=2",
        "--trainer.accelerator=cpu",
        f"--trainer.max_steps={STEPS}",
        "--trainer.log_every_n_steps=4",
    ]


def arguments(scene: Path, folder: Path, *callbacks: dict[str, object]) -> list[str]:
    """Return all arguments after ``fit``: variant, preset, scene and `options`."""
    return [
        *configs(VARIANT, PRESET),
        *("-c", str(EXPERIMENTS / "ddp.yaml")),
        f"--data.scene={scene}",
        *options(folder, *callbacks),
    ]


def witnessed(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read what the witnesses of both ranks have stored."""
    first, second = (torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in (0, 1))
    return first, second


def assert_same_weights(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    """Compare weights to the last bit."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
