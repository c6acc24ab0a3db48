"""What a run is called in a log of many runs, and what opens such a log for it."""

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
    """Names of a run that follow from what it is: who starts it again, also elsewhere, find the same ones.

    Attributes:
        scene: The scene folder's name.
        variant: Of the model.
        preset: Of its size and schedule.
        seed: Of its random numbers.
        folder: The run folder.
        settings: What makes two runs the same one beside these: model, data and seed, as plain values.
    """

    scene: str
    variant: str
    preset: str
    seed: int | bool | None
    folder: Path
    settings: Mapping[str, Any]

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.group}-{self.seed}"

    @property
    def group(self) -> str:
        """Of the runs that differ in their seeds, so that means over these can be shown."""
        return f"{self.scene}-{self.variant}-{self.preset}"

    @property
    def tags(self) -> tuple[str, ...]:
        """To filter by."""
        return (self.scene, self.variant, self.preset, f"seed {self.seed}")

    @property
    def id(self) -> str:
        """One a run folder and configuration: a run that goes on keeps it, and no two runs share it.

        How long the run is, what it runs on and what it draws are no part of it, as in `RunFolder.check`.
        """
        content = json.dumps(
            [str(self.folder.resolve()), self.settings, self.name], sort_keys=True, default=str
        )
        readable = re.sub(r"[^\w.-]", "_", self.name, flags=re.ASCII)[:_LONGEST]
        return f"{readable}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


class RunLogger(ABC):
    """Open a logger for a run; one a kind of log, named in the configuration's list ``loggers``."""

    @abstractmethod
    def open(self, run: RunIdentity, config: Mapping[str, Any]) -> Logger:
        """Make the logger; nothing is asked, and nothing waited for.

        Args:
            run: What it shall be called.
            config: The resolved configuration, as plain values.
        """
