"""Run folders: ``runs/<scene>/<variant>-<preset>/``, one a run; resuming goes on in it."""

from __future__ import annotations

import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import write_text
from normnex_pl.core.types import MPIGeometry


@dataclass(frozen=True)
class RunSettings:
    """What a run is called, and where it goes.

    Attributes:
        root: Folder of all runs.
        variant: Name of the model's variant; a variant's YAML sets it.
        preset: Name of the size and schedule; a preset's YAML sets it.
        folder: The run folder itself, if it shall be another one than ``root/<scene>/<variant>-<preset>``.
    """

    root: Path = Path("runs")
    variant: str = "custom"
    preset: str = "custom"
    folder: Path | None = None


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run folder.

    Attributes:
        path: The folder.
    """

    path: Path

    @classmethod
    def of(cls, settings: RunSettings, scene: Path) -> RunFolder:
        """Return the folder of a run on a scene."""
        default = settings.root / scene.resolve().name / f"{settings.variant}-{settings.preset}"
        return cls(settings.folder or default)

    @property
    def config(self) -> Path:
        """The complete configuration; ``normnex fit -c`` and ``normnex test -c`` take it."""
        return self.path / "config.yaml"

    @property
    def planes(self) -> Path:
        """Where the planes stand, and why; a scene's ``planes.txt`` has the same form."""
        return self.path / "planes.txt"

    @property
    def checkpoint(self) -> Path:
        """The newest checkpoint."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def metrics_csv(self) -> Path:
        """Logged scalars."""
        return self.path / "metrics.csv"

    @property
    def baked(self) -> Path:
        """The baked multiplane image."""
        return self.path / "mpi"

    def existing_checkpoint(self) -> Path:
        """Return the newest checkpoint.

        Raises:
            UserError: There is none.
        """
        if not self.checkpoint.is_file():
            raise UserError(
                f"{self.checkpoint}: expected the checkpoint of a trained run, found none. "
                "Train first (make train SCENE=...), or name another run folder (RUN=...)."
            )
        if not zipfile.is_zipfile(self.checkpoint):
            raise UserError(
                f"{self.checkpoint}: expected a checkpoint, found a damaged file. Delete it and train again."
            )
        return self.checkpoint

    def check(self, config: str) -> None:
        """Check that a run which is to be resumed has this configuration.

        Args:
            config: As YAML.

        Raises:
            UserError: The folder holds a run with another model or other data.
        """
        if self.checkpoint.exists() and self.config.exists():
            difference = first_difference(identity(self.config.read_text(encoding="utf-8")), identity(config))
            if difference:
                raise UserError(
                    f"{self.path}: expected a new folder or a part of the same run, found another "
                    f"configuration ({difference}). Choose another one (--run.folder=...), or delete it."
                )

    def store(self, config: str, planes: str) -> None:
        """Store the configuration of a run that starts or go on, and where its planes stand and why."""
        write_text(self.config, config)
        write_text(self.planes, planes)


def run_label(variant: str, preset: str, steps: int) -> str:
    """What stands above a figure of a run."""
    return f"{variant}, preset {preset}, {steps:,} steps"


def check_geometry(checkpoint: Path, geometry: MPIGeometry) -> None:
    """Check that a checkpoint was trained on the scene at hand.

    Raises:
        UserError: It was trained with another reference camera, canvas or depth range.
    """
    content = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    difference = first_difference(content["hyper_parameters"]["geometry"], asdict(geometry), "geometry")
    if difference:
        raise UserError(
            f"{checkpoint}: expected weights that were trained on this scene, found those of another one, or "
            f"of other planes ({difference}). Name the scene of the run (SCENE=...), or another run folder."
        )


def identity(config: str) -> dict[str, Any]:
    """What makes two configurations the same run: neither paths nor the machine."""
    parsed = yaml.safe_load(config)
    data = {key: value for key, value in parsed["data"].items() if key != "scene"}
    return {"model": parsed["model"], "data": data, "seed_everything": parsed["seed_everything"]}


def first_difference(before: Any, now: Any, key: str = "") -> str | None:
    """Name the first value in which two nested dictionaries differ, or None."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in sorted({*before, *now}):
            difference = first_difference(before.get(name), now.get(name), f"{key}.{name}" if key else name)
            if difference:
                return difference
        return None
    return None if before == now else f"{key}: {before} there, {now} now"
