"""The name of a run in a log of many runs, and the factories of such logs."""

from __future__ import annotations

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger

_LONGEST = 48  # of an id's readable part: W&B takes 64 characters in all


@dataclass(frozen=True)
class RunIdentity:
    """Names of a run that follow from what it is: starting it again, also elsewhere, gives the same ones.

    Attributes:
        scene: The scene folder's name.
        variant: Of the model.
        preset: Of its size and schedule.
        seed: Of its random numbers.
        folder: The run folder.
        settings: The other settings that make two runs the same: model, data and seed, as plain values.
    """

    scene: str
    variant: str
    preset: str
    seed: int | bool | None
    folder: Path
    settings: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The run's name for people."""
        return f"{self.group}-{self.seed}"

    @property
    def group(self) -> str:
        """The name that runs with different seeds share, so that their means can be shown."""
        return f"{self.scene}-{self.variant}-{self.preset}"

    @property
    def tags(self) -> tuple[str, ...]:
        """Labels to filter by."""
        return (self.scene, self.variant, self.preset, f"seed {self.seed}")

    @property
    def id(self) -> str:
        """Unique to a run folder and configuration: a resumed run keeps it, and no two runs share it.

        The length of the run, the hardware and the pictures are no part of it, as in `RunFolder.check`.
        """
        content = json.dumps(
            [str(self.folder.resolve()), self.settings, self.name], sort_keys=True, default=str
        )
        readable = re.sub(r"[^\w.-]", "_", self.name, flags=re.ASCII)[:_LONGEST]
        return f"{readable}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


class RunLogger(ABC):
    """Open a logger for a run. The setting ``loggers`` lists the kinds of logs."""

    @abstractmethod
    def open(self, run: RunIdentity, config: Mapping[str, Any]) -> Logger:
        """Create the logger, without asking or waiting for anything.

        Args:
            run: The names that it gets.
            config: The resolved configuration, as plain values.
        """
