"""``normnex train SCENE``: a variant at a preset, as ``normnex fit`` trains it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from normnex_pl.cli.options import OtherWords
from normnex_pl.core.errors import UserError
from normnex_pl.training.configurations import (
    DEFAULT_PRESET,
    DEFAULT_VARIANT,
    config_files,
    config_words,
    device_words,
)


@dataclass(frozen=True)
class Options:
    """Train a variant at a preset on a scene, then evaluate it on the held-out views.

    The run goes to runs/SCENE/VARIANT-PRESET; the same command goes on where it was stopped.

    Attributes:
        scene: Folder of the scene.
        variant: A name in experiments/variants, or a YAML file of your own.
        preset: A name in experiments/presets, or a YAML file of your own.
        loggers: Logs beside metrics.csv: names in experiments/loggers, or YAML files.
        gpus: GPUs of each node; by default as configured, which is one if there is one.
        nodes: Machines; srun or torchrun starts the processes on each of them.
        settings: Other words are settings and YAML files (-c FILE), as normnex fit takes them; they take
            precedence.
    """

    scene: Path
    variant: str = DEFAULT_VARIANT
    preset: str = DEFAULT_PRESET
    loggers: tuple[str, ...] = ()
    gpus: int | None = None
    nodes: int = 1
    settings: OtherWords = ()

    def __post_init__(self) -> None:
        """Raise a UserError if there are nodes without GPUs."""
        if self.gpus is None and self.nodes != 1:
            raise UserError(f"--nodes: expected --gpus as well, found {self.nodes} nodes alone.")

    def words(self) -> list[str]:
        """Return the arguments of ``normnex fit``."""
        devices = [] if self.gpus is None else device_words(self.gpus, self.nodes)
        files = config_words(config_files(self.variant, self.preset, self.loggers))
        return [*files, f"--data.scene={self.scene}", *devices, *self.settings]


def run(options: Options) -> None:
    """Compose the configuration and train."""
    words = options.words()
    # Late, since it takes seconds: help and misspelt names shouldn't wait for PyTorch.
    from normnex_pl.training.command import run_command

    run_command(["fit", *words])
