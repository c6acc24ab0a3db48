"""The trainings that are measured: presets and variants as ``normnex train`` configures them, on a scene."""

from __future__ import annotations

import contextlib
import io
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from normnex_pl.training.command import NormNeXCLI, run_command
from normnex_pl.training.configurations import config_file, config_files, config_words, read_settings
from step import FinishedError, Measure, Probe
from synthetic import write_scene

VIEWS = 20  # 17 of them for training, as in fern


@dataclass(frozen=True)
class Case:
    """A configuration to measure.

    Attributes:
        preset: Name of the preset.
        variant: Name of the variant.
        arguments: Further arguments of the command line.
        width: Width of the photos; None for the preset's.
        views: Number of photos.
    """

    preset: str = "fast"
    variant: str = "nex_rgb"
    arguments: tuple[str, ...] = ()
    width: int | None = None
    views: int = VIEWS

    def __str__(self) -> str:
        return f"{self.preset}/{self.variant}"

    def adding(self, argument: str) -> Case:
        """Return the case with one more argument."""
        return replace(self, arguments=(*self.arguments, argument))


class Scenes:
    """Scenes to measure on: the user's, or synthetic ones that are written on demand.

    Args:
        scene: The user's scene; None for synthetic ones.
        folder: Folder for synthetic scenes.
    """

    def __init__(self, scene: Path | None, folder: Path) -> None:
        self.scene = scene
        self.folder = folder

    def find(self, case: Case, width: int) -> Path:
        """Return the scene of a case."""
        if self.scene is not None:
            return self.scene
        folder = self.folder / f"scene_{case.views}x{width}"
        if not folder.exists():
            write_scene(folder, case.views, width, width * 3 // 4)
        return folder


def preset_width(preset: str) -> int:
    """Return the width of photos that a preset asks for."""
    return int(read_settings(config_file("presets", preset))["data"]["width"])


def run_case(case: Case, scenes: Scenes, measure: Measure, counts: bool = False) -> dict[str, Any]:
    """Start a training, measure in it and end it.

    Returns:
        The measurements; or only ``failure``, the reason.
    """
    probe = Probe(measure, counts)

    class ProbedCLI(NormNeXCLI):
        """The command line, with a probe in the training."""

        def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
            """Add the probe after all other callbacks."""
            trainer = super().instantiate_trainer(**kwargs)
            trainer.callbacks.append(probe)
            return trainer

    width = case.width or preset_width(case.preset)
    with tempfile.TemporaryDirectory() as folder:
        arguments = [
            *config_words(config_files(case.variant, case.preset)),
            f"--data.scene={scenes.find(case, width)}",
            f"--data.width={width}",
            f"--run.folder={folder}/run",
            "--initialization=normnex_pl.training.initialization.RandomStart",
            *case.arguments,
        ]
        try:
            with contextlib.redirect_stderr(io.StringIO()):  # from Lightning and the progress bar
                run_command(["fit", *arguments], ProbedCLI)
        except FinishedError:
            return probe.result
        except Exception as error:  # such as out of memory; the other cases are still measured
            return {"failure": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}
    return {"failure": "the training ended before it was measured"}
