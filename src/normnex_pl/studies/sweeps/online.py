"""Run a sweep at Weights & Biases: it is created there once, and an agent for each GPU works on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import write_json, write_text
from normnex_pl.studies.queue.processes import visible_gpus
from normnex_pl.studies.sweeps.config import Config
from normnex_pl.training.run_identity import first_difference

_PROJECT = "normnex"
_CONFIG = "sweep.json"
# Where the agents' runs go, for `trial`.
FOLDER_VARIABLE = "NORMNEX_SWEEP_FOLDER"


def run_at_wandb(config: Config, out: Path, count: int | None, report: Callable[[str], None]) -> int:
    """Create the sweep, or find the one that this folder has, and work on it until it ends.

    Args:
        config: The sweep.
        out: Its folder on this machine.
        count: Runs in all; None as many as W&B proposes.
        report: Takes a line that says where the sweep is.

    Returns:
        1 if an agent failed, else 0.

    Raises:
        UserError: The folder holds another sweep.
    """
    import wandb

    place = out / "wandb_sweep.txt"
    if place.exists():
        _check_same(out, config)
    else:
        project = os.environ.get("WANDB_PROJECT", _PROJECT)
        number = wandb.sweep(config, project=project)
        write_json(out / _CONFIG, config)
        write_text(place, f"{wandb.Api().default_entity}/{project}/{number}")
    path = place.read_text(encoding="utf-8")
    report(f"Sweep {path}: its runs are in {out / 'runs'}, tables and importance at W&B")
    agents = [
        subprocess.Popen(words, env=environment)
        for words, environment in agent_calls(path, out, count, visible_gpus())
    ]
    return int(any(status != 0 for status in [agent.wait() for agent in agents]))


def _check_same(out: Path, config: Config) -> None:
    """Raise a UserError if a folder holds another sweep."""
    stored = json.loads((out / _CONFIG).read_text(encoding="utf-8"))
    if difference := first_difference(stored, config):
        raise UserError(
            f"{out}: expected a new folder or a part of the same sweep, found another one ({difference}). "
            "Choose another folder (--out), or delete it."
        )


def agent_calls(
    path: str, out: Path, count: int | None, gpus: Sequence[str]
) -> list[tuple[list[str], dict[str, str]]]:
    """Return words and environment of W&B's agents, one per GPU, which share the runs evenly."""
    binaries = str(Path(sys.executable).parent)
    ours = {
        "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}",  # ${interpreter} is `python` there
        FOLDER_VARIABLE: str(out.resolve()),
    }
    calls = []
    agents = max(1, len(gpus))
    for place in range(agents):
        share = [] if count is None else ["--count", str(count // agents + (place < count % agents))]
        environment = os.environ | ours | ({"CUDA_VISIBLE_DEVICES": gpus[place]} if gpus else {})
        calls.append(([sys.executable, "-m", "wandb", "agent", *share, path], environment))
    return calls
