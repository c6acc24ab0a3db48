"""The checks of a run before its first step, and the findings about its scene."""

from __future__ import annotations

import logging
from pathlib import Path

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import check_place, write_json
from normnex_pl.core.types import Scene
from normnex_pl.data.datamodule import SceneDataModule
from normnex_pl.data.planes.planes_file import planes_text
from normnex_pl.data.survey.diagnosis import diagnose
from normnex_pl.data.survey.survey import survey
from normnex_pl.training.run_folder import RunFolder
from normnex_pl.training.run_weights import check_scene

_LOG = logging.getLogger(__name__)


def checkpoint_to_resume(run: RunFolder, settings: str, data: SceneDataModule) -> Path | None:
    """Check that a run may start or go on in a folder, in which nothing is changed.

    Args:
        run: The folder.
        settings: The configuration, as YAML.
        data: The scene, as it was loaded.

    Returns:
        The checkpoint to go on from; None for a new run.

    Raises:
        UserError: The folder holds another run, one of another scene or version, or a damaged one; or nothing
            can be written there.
    """
    check_writable(run)
    run.check(settings)
    if not run.checkpoint.exists():
        return None
    checkpoint = run.existing_checkpoint()
    check_scene(checkpoint, data)
    return checkpoint


def check_writable(run: RunFolder) -> None:
    """Check that all files of a run can be written: before the work that makes them.

    Raises:
        UserError: A folder can't be written to, or one has the name of a file.
    """
    check_place(run.path)
    files = (run.config, run.planes, run.scene, run.metrics_csv, run.metrics, run.validation)
    for file in (*files, run.checkpoint, run.contact_sheet):
        if file.is_dir():
            raise UserError(f"{file}: expected a file of a run, found a folder. Remove it.")
    folders = (run.checkpoint.parent, run.contact_sheet.parent, run.components(0).parent)
    for folder in folders:
        if folder.exists():
            check_place(folder)


def store_run(run: RunFolder, settings: str, data: SceneDataModule) -> None:
    """Store what a run is: its configuration, the files of its scene, and where its planes stand."""
    run.store(settings, planes_text(data.scene))
    write_json(run.scene, data.scene_files)


def warn_of(scene: Scene, num_planes: int) -> None:
    """Log what speaks against training on a scene, as ``normnex inspect`` tells it.

    Args:
        scene: With its planes.
        num_planes: Of the model.
    """
    for finding in diagnose(survey(scene, num_planes)):
        _LOG.warning("%s: %s", scene.name, finding)
