"""A finished run as it is on disk: its model and its scene."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentError, ArgumentParser
from torch import Tensor

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import View
from normnex_pl.data.datamodule import SceneDataModule
from normnex_pl.normals import NormalEstimator
from normnex_pl.normals.targets import view_components
from normnex_pl.training.memory.count import eval_chunk_on
from normnex_pl.training.module import NormNeXModule
from normnex_pl.training.run_folder import RunFolder
from normnex_pl.training.run_identity import check_version, other_version
from normnex_pl.training.run_weights import check_scene, read_checkpoint


@dataclass(frozen=True)
class TrainedRun:
    """A model and the scene that it was trained on.

    Attributes:
        folder: The run folder.
        variant: Of the model.
        preset: Of its size and schedule.
        module: In evaluation mode, on the device asked for.
        data: Photos and cameras.
    """

    folder: Path
    variant: str
    preset: str
    module: NormNeXModule
    data: SceneDataModule

    @property
    def label(self) -> str:
        """Scene, variant, preset and steps, for the heading of a figure."""
        steps = self.module.record.steps
        return f"{self.data.scene.name}: {self.variant}, preset {self.preset}, {steps:,} steps"

    def view(self, name: str | None = None) -> View:
        """Return a view of the scene by its name, on the model's device; the first held-out one for None.

        Raises:
            UserError: There is none of that name.
        """
        scene = self.data.scene
        views = {view.name: view for view in scene.views}
        name = scene.views[scene.test[0]].name if name is None else name
        if name not in views:
            raise UserError(f"{scene.root}: expected one of the views {', '.join(views)}, found {name}.")
        return views[name].to(self.module.device)

    def components(self, view: View) -> dict[str, Tensor]:
        """Return all that the model has of a view of `view`: see `view_components`."""
        return view_components(self.module.mpi, self._estimator, view, self.module.eval_chunk_size)

    @cached_property
    def _estimator(self) -> NormalEstimator | None:
        if self.module.estimator is not None:
            self.module.estimator.refresh(self.module.mpi)
        return self.module.estimator


def read_run(folder: Path, scene: Path | None, device: torch.device) -> TrainedRun:
    """Read a run folder.

    Args:
        folder: Of the run.
        scene: The scene's folder, if it isn't any more where it was in training.
        device: For the model.

    Raises:
        UserError: There is no run, it has no checkpoint, an older version wrote it, or the scene is missing,
            another one, or unreadable.
    """
    run = RunFolder(folder)
    config = run.read_config()
    checkpoint = run.existing_checkpoint()
    data = _read_data(run.config, config["data"], scene)
    check_scene(checkpoint, data)
    module = load_module(folder, device).requires_grad_(False)
    module.eval_chunk_size = eval_chunk_on(device, module.eval_chunk_size)
    variant, preset = (str(config["run"].get(name)) for name in ("variant", "preset"))
    return TrainedRun(folder, variant, preset, module, data)


def load_module(folder: Path, device: torch.device) -> NormNeXModule:
    """Load a run's model, which the checkpoint holds completely: the scene isn't needed.

    Args:
        folder: Of the run.
        device: For the model.

    Returns:
        The model in evaluation mode.

    Raises:
        UserError: There is no checkpoint, or an older version wrote it.
    """
    checkpoint = RunFolder(folder).existing_checkpoint()
    content = read_checkpoint(checkpoint)
    check_version(checkpoint, {"model": content["hyper_parameters"]})
    try:
        module = NormNeXModule.load_from_checkpoint(checkpoint, map_location=device, weights_only=True)
    except ArgumentError as error:
        raise other_version(checkpoint, " ".join(str(error).split())) from None
    except RuntimeError as error:
        if "state_dict" not in str(error):
            raise
        raise other_version(checkpoint, " ".join(str(error).split())) from None
    return module.eval()


def find_device(name: str | None = None) -> torch.device:
    """Return the device of that name, or a GPU if there is one.

    Args:
        name: As ``--device`` has it.

    Raises:
        UserError: There is no such device.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise UserError(
            f"--device: expected cpu or cuda, found {name}, which isn't there ({str(error).splitlines()[0]})."
        ) from error
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"--device: expected cpu or cuda, found {name}. Choose one of these.")
    return device


def _read_data(path: Path, stored: dict[str, Any], scene: Path | None) -> SceneDataModule:
    """Load the scene of a run by the settings in its configuration."""
    settings = stored if scene is None else stored | {"scene": str(scene)}
    named = Path(str(settings.get("scene")))
    if not named.exists():
        raise UserError(
            f"{path}: expected the scene of the run in {named}, found nothing there. Say where it is "
            "(--scene=...); a video can also do without its photos (--no-scene)."
        )
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(SceneDataModule, "data")
    try:
        data = parser.instantiate_classes(parser.parse_object({"data": settings})).data
    except ArgumentError as error:
        raise other_version(path, " ".join(str(error).split())) from None
    assert isinstance(data, SceneDataModule)
    return data
