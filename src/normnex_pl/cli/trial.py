"""``normnex trial SCENE``: one run of a sweep, with the sweep's parameters as options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from normnex_pl.cli.options import OtherWords
from normnex_pl.studies.sweeps.trial import agents_folder, trial_files, validation_words
from normnex_pl.training.command import run_command
from normnex_pl.training.configurations import DEFAULT_PRESET, DEFAULT_VARIANT


@dataclass(frozen=True)
class Options:
    """Train one run of a sweep; normnex sweep and W&B's agent start it with the sweep's parameters.

    The training is scored on views that are left out of it, a few times on the way and at the end; held-out
    views stay unseen.

    Attributes:
        scene: Folder of the scene.
        variant: A name in experiments/variants, or a YAML file.
        preset: A name in experiments/presets, or a YAML file.
        seed: Of weights and rays.
        validations: In the course of the run.
        folder: Run folder; by default that of the run that W&B's agent starts.
        settings: Other words are settings, as normnex fit takes them.
    """

    scene: Path
    variant: str = DEFAULT_VARIANT
    preset: str = DEFAULT_PRESET
    seed: int = 0
    validations: int = 10
    folder: Path | None = None
    settings: OtherWords = ()

    def words(self) -> list[str]:
        """Return the arguments of ``normnex fit``.

        Raises:
            UserError: They can't be composed.
        """
        folder = self.folder or agents_folder(self.scene)
        words = [
            *trial_files(self.variant, self.preset),
            *(f"--data.scene={self.scene}", f"--run.folder={folder}", "--after_fit=validate"),
            *(f"--seed_everything={self.seed}", f"--data.seed={self.seed}"),
            *self.settings,
        ]
        return words + validation_words(words, self.validations)


def run(options: Options) -> None:
    """Train."""
    run_command(["fit", *options.words()])
