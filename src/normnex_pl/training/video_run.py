"""What a video needs of a run folder: its model, and its scene if that is at hand."""

from __future__ import annotations

from pathlib import Path

import torch
import yaml

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import Scene
from normnex_pl.training.module import NormNeXModule
from normnex_pl.training.run_folder import RunFolder
from normnex_pl.training.trained_run import read_run


def load_with_scene(folder: Path, scene: Path | None, device: torch.device) -> tuple[NormNeXModule, Scene]:
    """Load a run's model, and the scene that it was trained on.

    Args:
        folder: Of the run.
        scene: The scene's folder, if it isn't where the run's configuration says.
        device: To render on.

    Raises:
        UserError: There is no run, it has no checkpoint, or the scene is another one or can't be read.
    """
    config = RunFolder(folder).config
    named = scene or _named_scene(config)
    if named is not None and not named.exists():
        raise UserError(
            f"{config}: expected the scene of the run in {named}, found nothing there. Say where it is "
            "(SCENE=...), or do without its photos (ARGS=--no-scene)."
        )
    run = read_run(folder, scene, device)
    return run.module, run.data.scene


def load_alone(folder: Path, device: torch.device) -> NormNeXModule:
    """Load a run's model, of which the checkpoint holds all.

    Raises:
        UserError: There is no checkpoint.
    """
    checkpoint = RunFolder(folder).existing_checkpoint()
    return NormNeXModule.load_from_checkpoint(checkpoint, map_location=device, weights_only=True).eval()


def _named_scene(config: Path) -> Path | None:
    """Return the scene's folder in a run's configuration.

    None where `read_run` has something to say of the file.
    """
    try:
        return Path(yaml.safe_load(config.read_text(encoding="utf-8"))["data"]["scene"])
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        return None
