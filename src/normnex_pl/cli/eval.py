"""``normnex eval RUN``: evaluate a trained run again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from normnex_pl.cli.options import OtherWords
from normnex_pl.training.command import run_command
from normnex_pl.training.configurations import config_words
from normnex_pl.training.run_folder import RunFolder

# However many devices the run was trained on.
_ONE_DEVICE = ("--trainer.devices=1", "--trainer.num_nodes=1", "--trainer.strategy=auto")


@dataclass(frozen=True)
class Options:
    """Evaluate a trained run on the held-out views again, on one device.

    Attributes:
        run: Folder of the run.
        scene: Folder of the scene, if it has moved.
        settings: Other words are settings, as normnex test takes them.
    """

    run: Path
    scene: Path | None = None
    settings: OtherWords = ()

    def words(self) -> list[str]:
        """Return the arguments of ``normnex test``.

        Raises:
            UserError: The folder isn't that of a run, or its configuration is damaged.
        """
        stored = RunFolder(self.run)
        stored.read_config()
        scene = [] if self.scene is None else [f"--data.scene={self.scene}"]
        return [
            *config_words([stored.config]),
            f"--run.folder={self.run}",
            *_ONE_DEVICE,
            *scene,
            *self.settings,
        ]


def run(options: Options) -> None:
    """Evaluate, and store the scores in the run's folder."""
    run_command(["test", *options.words()])
