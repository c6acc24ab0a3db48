"""A finished run as it is on disk: its model and its scene."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import ArgumentError, ArgumentParser

from normnex_pl.data.datamodule import SceneDataModule
from normnex_pl.errors import UserError
from normnex_pl.module import NormNeXModule
from normnex_pl.runs import RunFolder, check_geometry


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


def read_run(folder: Path, scene: Path | None, device: torch.device) -> TrainedRun:
    """Reads a run folder.

    Args:
        folder: Of the run.
        scene: The scene's folder, if it isn't any more where it was in training.
        device: For the model.

    Raises:
        UserError: There is no run, it has no checkpoint, or the scene is another one or can't be read.
    """
    run = RunFolder(folder)
    if not run.config.is_file():
        raise UserError(
            f"{run.config}: expected the configuration of a run, found none. RUN is the folder of a run, "
            "such as runs/demo/nex_rgb-tiny."
        )
    checkpoint = run.existing_checkpoint()
    config = _read_config(run.config)
    data = _read_data(run.config, config, scene)
    check_geometry(checkpoint, data.geometry)
    module = NormNeXModule.load_from_checkpoint(checkpoint, map_location=device, weights_only=True)
    variant, preset = (str(config["run"].get(name)) for name in ("variant", "preset"))
    return TrainedRun(folder, variant, preset, module.eval().requires_grad_(False), data)


def find_device(name: str | None, expected: str) -> torch.device:
    """The device of that name, or a GPU if there is one.

    Args:
        name: As ``--device`` has it.
        expected: What the command takes, for its message.

    Raises:
        UserError: There is no such device.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"--device: expected {expected}, found {name}, which isn't there ({reason})."
        ) from error


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{path}: expected YAML, found a damaged file ({error}). Train again.") from None
    if not isinstance(config, dict) or not all(
        isinstance(config.get(name), dict) for name in ("run", "data")
    ):
        raise UserError(
            f"{path}: expected the configuration of a run, with run and data, found something else."
        )
    return config


def _read_data(path: Path, config: dict[str, Any], scene: Path | None) -> SceneDataModule:
    settings = config["data"] if scene is None else config["data"] | {"scene": str(scene)}
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(SceneDataModule, "data")
    try:
        data = parser.instantiate_classes(parser.parse_object({"data": settings})).data
    except ArgumentError as error:
        raise UserError(f"{path}: expected settings of this version's data, found: {error}") from None
    assert isinstance(data, SceneDataModule)
    return data
