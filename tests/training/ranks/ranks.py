"""Runs of the command line on two ranks of this machine's CPU, with callbacks that watch or disturb them.

Started as a script: Lightning, torchrun or srun start it once for each rank.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from itertools import groupby
from pathlib import Path
from unittest.mock import patch

import pytorch_lightning as pl
import torch

from normnex_pl.core.types import RayBatch, View
from normnex_pl.training.callbacks import StopOnSignal
from normnex_pl.training.ranks import digest
from support.ports import free_port

TESTS = Path(__file__).resolve().parents[2]
THEN = "then"


class Witness(pl.Callback):
    """Store what a rank has trained: its weights, and of each step the gate and a digest of the rays.

    Args:
        folder: Where to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gates: dict[int, float] = {}
        self.rays: dict[int, int] = {}

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: object, batch: RayBatch, _: int
    ) -> None:
        """Note a step."""
        self.gates[trainer.global_step] = float(pl_module.mpi.gate)  # type: ignore[arg-type, union-attr]
        self.rays[trainer.global_step] = int(digest(batch.rays.directions))

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Store everything."""
        weights = pl_module.mpi.state_dict()  # type: ignore[union-attr]
        content = {"weights": weights, "gates": self.gates, "rays": self.rays}
        self.folder.mkdir(parents=True, exist_ok=True)
        torch.save(content, self.folder / f"rank{trainer.global_rank}.pt")


class Validated(pl.Callback):
    """Store the names of the left-out views that a rank has rendered, in order.

    Args:
        folder: Where to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: list[str] = []

    def on_validation_batch_end(
        self, trainer: pl.Trainer, _: object, outputs: object, batch: View, *__: int
    ) -> None:
        """Note a view, if it was this rank's."""
        if outputs is not None:
            self.names.append(batch.name)
            (self.folder / f"validated{trainer.global_rank}.txt").write_text(" ".join(self.names))


class Holder(pl.Callback):
    """Wait in some steps until the process receives a signal, and leave a file that says so.

    Args:
        folder: Gets a file ``step<n>`` when the first rank waits in step n.
        steps: Where to wait.
        seconds: At most.
    """

    def __init__(self, folder: Path, steps: list[int], seconds: float = 60.0) -> None:
        self.folder = folder
        self.steps = steps
        self.seconds = seconds

    def on_train_batch_start(self, trainer: pl.Trainer, *_: object) -> None:
        """Wait for a signal in the given steps."""
        if trainer.global_step not in self.steps:
            return
        if trainer.is_global_zero:
            (self.folder / f"step{trainer.global_step}").touch()
        (stop,) = (callback for callback in trainer.callbacks if isinstance(callback, StopOnSignal))
        limit = time.monotonic() + self.seconds
        while stop.received is None and time.monotonic() < limit:
            time.sleep(0.05)


class Signaller(pl.Callback):
    """Send a signal to one rank in the middle of a step.

    Args:
        rank: Which one.
        step: When.
    """

    def __init__(self, rank: int, step: int) -> None:
        self.rank = rank
        self.step = step

    def on_train_batch_start(self, trainer: pl.Trainer, *_: object) -> None:
        """Send it."""
        if (trainer.global_rank, trainer.global_step) == (self.rank, self.step):
            os.kill(os.getpid(), signal.SIGTERM)


class Disturber(pl.Callback):
    """Change the last bit of a weight, and the gate from then on, on one rank.

    Args:
        rank: Which one.
        step: When.
    """

    def __init__(self, rank: int, step: int) -> None:
        self.rank = rank
        self.step = step

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object) -> None:
        """Change them."""
        if trainer.global_rank != self.rank or trainer.global_step < self.step:
            return
        pl_module.mpi.gate.fill_(0.5)  # type: ignore[union-attr, operator]
        if trainer.global_step == self.step:
            with torch.no_grad():
                texel = pl_module.mpi.field.base_color.raw[0, 0, 0, :1]  # type: ignore[union-attr]
                texel.copy_(torch.nextafter(texel, texel + 1))


def callback(kind: type[pl.Callback], **arguments: object) -> dict[str, object]:
    """Return an entry of ``trainer.callbacks``."""
    return {"class_path": f"training.ranks.ranks.{kind.__name__}", "init_args": arguments}


def environment() -> dict[str, str]:
    """Return the environment of processes that find the tests' callbacks, and nothing of other runs."""
    left = ("PL_", "PYTEST_", "SLURM_", "MASTER_", "TORCHELASTIC_", "WANDB_SERVICE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left)}
    path = os.pathsep.join(filter(None, [str(TESTS), kept.get("PYTHONPATH")]))
    return kept | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def run_on_ranks(arguments: list[str], timeout: float = 240) -> subprocess.CompletedProcess[str]:
    """Run the command line on the ranks that its arguments ask for, launched by Lightning.

    It returns when all processes have ended: each of them holds the pipes.

    Args:
        arguments: Of the command line; `THEN` stands between those of several runs, one after another.
        timeout: Seconds.
    """
    settings = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    command = [sys.executable, __file__, *arguments]
    return subprocess.run(
        command, env=environment() | settings, capture_output=True, text=True, timeout=timeout, check=False
    )


if __name__ == "__main__":
    from normnex_pl.cli.main import main

    with patch("normnex_pl.evaluation.metrics._lpips_network", lambda device: None):
        runs = groupby(sys.argv[1:], lambda word: word == THEN)
        for arguments in [list(words) for between, words in runs if not between]:
            main(arguments)
