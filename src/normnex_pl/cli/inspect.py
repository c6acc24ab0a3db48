"""``normnex inspect SCENE``: looks at a scene without training on it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from normnex_pl.cli.inspect_report import report
from normnex_pl.cli.inspect_settings import InspectionSettings, parse_settings
from normnex_pl.core.errors import UserError
from normnex_pl.core.files import write_text
from normnex_pl.core.types import Scene
from normnex_pl.data.scene.sidecars import PLANES_FILE, planes_text
from normnex_pl.data.survey.concerns import concerns
from normnex_pl.data.survey.diagram import write_diagram
from normnex_pl.data.survey.survey import survey
from normnex_pl.training.memory.count import MemoryEstimate, Photos, estimate_training
from normnex_pl.training.memory.fake_step import StepSettings

_LOG = logging.getLogger(__name__)
_PICTURE = "inspect.png"


def inspect(args: Sequence[str]) -> None:
    """Print what a scene is, and draw it; changes nothing in its folder unless asked to.

    Args:
        args: The arguments behind ``inspect``.

    Raises:
        UserError: The scene or a configuration can't be read, or a file can't be written.
        ArgumentError: An argument is unknown, missing or of another type.
    """
    settings = parse_settings(args)
    num_planes = settings.planes()
    planes_file = settings.scene / PLANES_FILE
    if settings.write_planes and planes_file.exists():
        raise UserError(
            f"{planes_file}: expected no such file, to write the chosen planes to, found one, which decides "
            "where planes stand. Remove or rename it to have them chosen."
        )
    scene = settings.load().scene
    measured = survey(scene, num_planes)
    warnings = concerns(measured)
    memory = _memory(settings, scene)
    picture = settings.out or Path("runs") / scene.name / _PICTURE
    _write(picture, lambda path: write_diagram(path, scene, num_planes))
    if settings.write_planes:
        _write(planes_file, lambda path: write_text(path, planes_text(scene)))
    if settings.json:
        need = None if memory is None else asdict(memory) | {"total": memory.total}
        content = {**asdict(measured), "memory": need, "warnings": warnings, "picture": str(picture)}
        print(json.dumps(content, indent=2, allow_nan=False))  # noqa: T201
        return
    print(report(measured, warnings, memory))  # noqa: T201
    print(f"\nPicture: {picture}")  # noqa: T201
    if settings.write_planes:
        print(f"Planes, to be changed by hand: {planes_file}")  # noqa: T201


def _memory(settings: InspectionSettings, scene: Scene) -> MemoryEstimate | None:
    """What the configured training takes; None without configuration."""
    module = settings.module(scene.geometry)
    if module is None:
        return None
    photos = Photos(len(scene.train), scene.geometry.height, scene.geometry.width)
    try:
        step = StepSettings(settings.data.rays_per_step, module.train_chunk_size, settings.precision)
        return estimate_training(module, photos, step)
    except Exception as error:  # a part of the user's own may look at what tensors hold
        _LOG.warning(
            "Memory: not counted (%s: %s).", type(error).__name__, " ".join(str(error).split())[:200]
        )
        return None


def _write(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file; what the system has against it becomes a message."""
    try:
        write(path)
    except OSError as error:
        raise UserError(
            f"{path}: expected a place to write to, found none ({error}). Choose another."
        ) from error
