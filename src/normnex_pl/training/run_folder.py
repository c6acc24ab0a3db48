"""Run folders: ``runs/<scene>/<variant>-<preset>/``, one per run; a resumed run goes on in its folder.

Without torch: the viewer's server finds a run's files by it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import file_name, folder_name, is_whole_archive, write_json, write_text
from normnex_pl.training.run_identity import check_version, identity_difference, parse_settings

_BAKED = "baked"  # the key of the baked files' scores in metrics.json


@dataclass(frozen=True)
class RunSettings:
    """The names of a run, and its folder.

    Attributes:
        root: Folder of all runs.
        variant: Name of the model's variant; a variant's YAML sets it.
        preset: Name of the size and schedule; a preset's YAML sets it.
        folder: The run folder; None for ``root/<scene>/<variant>-<preset>``.
    """

    root: Path = Path("runs")
    variant: str = "custom"
    preset: str = "custom"
    folder: Path | None = None


@dataclass(frozen=True)
class RunFolder:
    """All paths of a run folder, with methods to read and write its files.

    Attributes:
        path: The folder.
    """

    path: Path

    @classmethod
    def of(cls, settings: RunSettings, scene: Path) -> RunFolder:
        """Return the folder of a run on a scene."""
        default = settings.root / folder_name(scene) / f"{settings.variant}-{settings.preset}"
        return cls(settings.folder or default)

    @property
    def config(self) -> Path:
        """The complete configuration; ``normnex fit -c`` and ``normnex test -c`` take it."""
        return self.path / "config.yaml"

    @property
    def planes(self) -> Path:
        """The placement of the planes, with its reasons; a scene's ``planes.txt`` has the same form."""
        return self.path / "planes.txt"

    @property
    def scene(self) -> Path:
        """Hashes of the files that the scene was read from, by which the run knows it again."""
        return self.path / "scene.json"

    @property
    def checkpoint(self) -> Path:
        """The newest checkpoint."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def metrics_csv(self) -> Path:
        """Scalars logged in training."""
        return self.path / "metrics.csv"

    @property
    def metrics(self) -> Path:
        """Scores of the held-out views, the cost of the training, scores of the baked files."""
        return self.path / "metrics.json"

    @property
    def validation(self) -> Path:
        """Scores of the left-out training views at the newest validated step."""
        return self.path / "validation.json"

    @property
    def contact_sheet(self) -> Path:
        """All held-out views beside their photos."""
        return self.path / "test" / "contact_sheet.png"

    @property
    def baked(self) -> Path:
        """Folder of the baked multiplane image."""
        return self.path / "mpi"

    @property
    def video(self) -> Path:
        """Folder of the videos."""
        return self.path / "video"

    @property
    def exports(self) -> Path:
        """Folder of the exports for other programs."""
        return self.path / "export"

    @property
    def log(self) -> Path:
        """The output of a run that a comparison or a sweep started."""
        return self.path / "train.log"

    @property
    def fingerprint(self) -> Path:
        """Hashes of everything that a finished run of a comparison depends on."""
        return self.path / "fingerprint.json"

    @property
    def expected_fingerprint(self) -> Path:
        """The same of a run that has begun: it goes on only if nothing has changed."""
        return self.path / "expected.json"

    def view_picture(self, view: str, kind: str) -> Path:
        """Return the file of a picture of a held-out view.

        Args:
            view: Its name.
            kind: ``render``, ``truth`` (the photo), ``error`` or ``baked``.
        """
        return self.path / "test" / file_name(f"{view}_{kind}", ".png")

    def components(self, step: int) -> Path:
        """Return the folder of the pictures of a step's components."""
        return self.path / "components" / f"step_{step:06d}"

    def existing_checkpoint(self) -> Path:
        """Return the newest checkpoint.

        Raises:
            UserError: There is none.
        """
        if not self.checkpoint.is_file():
            raise UserError(
                f"{self.checkpoint}: expected the checkpoint of a trained run, found none. "
                "Train first (normnex train SCENE), or name another run folder."
            )
        if not is_whole_archive(self.checkpoint):
            raise UserError(
                f"{self.checkpoint}: expected a checkpoint, found a damaged file. Delete it and train again."
            )
        return self.checkpoint

    def read_config(self) -> dict[str, Any]:
        """Read the configuration.

        Raises:
            UserError: There is none, it is damaged, or an older version wrote it.
        """
        if not self.config.is_file():
            raise UserError(
                f"{self.config}: expected the configuration of a run, found none. RUN is the folder of a "
                "run, such as runs/demo/nex_rgb-tiny."
            )
        try:
            config = parse_settings(self.config.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            found = f"a damaged file ({error}). Train again."
            raise UserError(f"{self.config}: expected YAML, found {found}") from None
        if not all(isinstance(config.get(name), dict) for name in ("run", "data")):
            raise UserError(
                f"{self.config}: expected the configuration of a run, with run and data, found something "
                "else. Name the folder of a run, or train again."
            )
        check_version(self.config, config)
        return config

    def check(self, config: str) -> None:
        """Check that a run which is to be resumed has this configuration.

        Args:
            config: As YAML.

        Raises:
            UserError: The folder holds a run of another model, of other data, or of an older version.
        """
        if self.checkpoint.exists() and self.config.exists():
            stored = self.read_config()
            difference = identity_difference(stored, parse_settings(config))
            if difference:
                raise UserError(
                    f"{self.path}: expected a new folder or a part of the same run, found another "
                    f"configuration ({difference}). Choose another one (--run.folder=...), or delete it."
                )

    def store(self, config: str, planes: str) -> None:
        """Store the configuration of a run that starts or goes on, and where its planes stand and why."""
        write_text(self.config, config)
        write_text(self.planes, planes)

    def read_metrics(self) -> dict[str, Any]:
        """Read the scores; empty if the run wasn't evaluated.

        Raises:
            UserError: They are damaged.
        """
        try:
            content = json.loads(self.metrics.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise UserError(
                f"{self.metrics}: expected JSON, found a damaged file ({error}). Evaluate again "
                "(normnex eval RUN)."
            ) from None
        if not isinstance(content, dict):
            raise UserError(
                f"{self.metrics}: expected the scores of a run, found something else. Evaluate it again "
                "(normnex eval RUN)."
            )
        return content

    def write_metrics(self, summary: dict[str, Any], digest: Callable[[], str]) -> None:
        """Write the scores of an evaluation, and keep those of files that were baked from the same weights.

        Args:
            summary: The scores.
            digest: Computes `model_digest` of the weights, which is needed only where there are such files.
        """
        try:
            baked = self.read_metrics().get(_BAKED)
        except UserError:  # replaced by the scores of this evaluation
            baked = None
        kept = isinstance(baked, dict) and self.baked.is_dir() and baked.get("model") == digest()
        write_json(self.metrics, summary | ({_BAKED: baked} if kept else {}))

    def store_baked_scores(self, scores: dict[str, Any], model: str) -> None:
        """Add the scores of baked files to those of the run, which may have been evaluated meanwhile.

        Args:
            scores: Of the baked files.
            model: `model_digest` of the weights that they were baked from.
        """
        write_json(self.metrics, self.read_metrics() | {_BAKED: scores | {"model": model}})

    def forget_baked_scores(self) -> None:
        """Remove the scores of baked files from those of the run, if there are any."""
        content = self.read_metrics()
        if content.pop(_BAKED, None) is not None:
            write_json(self.metrics, content)
