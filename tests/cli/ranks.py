"""A run of the command line on several ranks of this machine's CPU, and what each of them ends with.

Started as a script, once; Lightning starts it again for the other ranks.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytorch_lightning as pl
import torch

TESTS = Path(__file__).resolve().parents[1]


class WeightKeeper(pl.Callback):
    """Stores a rank's weights and the gates of all its steps.

    Args:
        folder: Where to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gates: list[float] = []

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object) -> None:
        """Notes the gate of the step."""
        self.gates.append(float(pl_module.mpi.gate))  # type: ignore[arg-type, union-attr]

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stores them."""
        content = {"weights": pl_module.mpi.state_dict(), "gates": self.gates}  # type: ignore[union-attr]
        torch.save(content, self.folder / f"rank{trainer.global_rank}.pt")


def run_on_ranks(arguments: list[str], timeout: float) -> subprocess.CompletedProcess[str]:
    """Runs the command line in processes of their own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PL_", "PYTEST_"))}
    environment = kept | {
        "PYTHONPATH": str(TESTS),
        "OMP_NUM_THREADS": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    command = [sys.executable, __file__, *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )


if __name__ == "__main__":
    from normnex_pl.cli import main

    with patch("normnex_pl.metrics._lpips_network", lambda device: None):
        main()
