"""``normnex inspect SCENE``: look at a scene without training on it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from normnex_pl.cli.inspect_report import report
from normnex_pl.cli.inspect_training import ConfiguredTraining
from normnex_pl.cli.options import OtherWords
from normnex_pl.core.errors import UserError
from normnex_pl.core.files import write_text
from normnex_pl.core.types import Scene
from normnex_pl.data.planes.planes_file import PLANES_FILE, planes_text
from normnex_pl.data.survey.diagnosis import diagnose
from normnex_pl.data.survey.diagram import write_diagram
from normnex_pl.data.survey.survey import survey
from normnex_pl.training.configurations import DEFAULT_PRESET, DEFAULT_VARIANT, config_files
from normnex_pl.training.memory.count import MemoryEstimate, Photos, estimate_training
from normnex_pl.training.memory.fake_step import StepSettings

_LOG = logging.getLogger(__name__)
_PICTURE = "inspect.png"


@dataclass(frozen=True)
class Options:
    """Look at a scene without training on it: views, depths, planes, padding, memory, and a picture of them.

    Attributes:
        scene: Folder of the scene, which is left as it is.
        variant: Variant to train, for the memory that it needs; a name or a YAML file.
        preset: Preset to train at, for photos, planes and memory; a name or a YAML file.
        num_planes: Planes that a training will have; by default as configured.
        out: The picture; by default runs/SCENE/inspect.png.
        write_planes: Write planes.txt into the scene's folder, to be changed by hand.
        json: Print JSON.
        settings: Other words are YAML files (-c FILE) and settings of the data (--data.width=504), as
            normnex fit has them.
    """

    scene: Path
    variant: str | None = None
    preset: str | None = None
    num_planes: int | None = None
    out: Path | None = None
    write_planes: bool = False
    json: bool = False
    settings: OtherWords = ()

    @property
    def files(self) -> list[Path]:
        """YAML files of the training; none if neither variant nor preset is given."""
        if self.variant is None and self.preset is None:
            return []
        return config_files(self.variant or DEFAULT_VARIANT, self.preset or DEFAULT_PRESET)


def run(options: Options) -> None:
    """Print a report of a scene, and draw it; leave its folder unchanged unless asked to.

    Raises:
        UserError: The scene or a configuration can't be read, or a file can't be written.
        ArgumentError: A setting is unknown, or of another type.
    """
    training = ConfiguredTraining.of(options.scene, options.files, options.settings)
    num_planes = training.num_planes(options.num_planes)
    planes_file = options.scene / PLANES_FILE
    if options.write_planes and planes_file.exists():
        raise UserError(
            f"{planes_file}: expected no such file, to write the chosen planes to, found one, which decides "
            "where planes stand. Remove or rename it to have them chosen."
        )
    scene = training.load().scene
    measured = survey(scene, num_planes)
    warnings = diagnose(measured)
    memory = _memory(training, scene)
    picture = options.out or Path("runs") / scene.name / _PICTURE
    _write(picture, lambda path: write_diagram(path, scene, measured.steps))
    if options.write_planes:
        _write(planes_file, lambda path: write_text(path, planes_text(scene)))
    if options.json:
        need = None if memory is None else asdict(memory) | {"total": memory.total}
        content = {**asdict(measured), "memory": need, "warnings": warnings, "picture": str(picture)}
        print(json.dumps(content, indent=2, allow_nan=False))  # noqa: T201
        return
    print(report(measured, warnings, memory))  # noqa: T201
    print(f"\nPicture: {picture}")  # noqa: T201
    if options.write_planes:
        print(f"Planes, to be changed by hand: {planes_file}")  # noqa: T201


def _memory(training: ConfiguredTraining, scene: Scene) -> MemoryEstimate | None:
    """Estimate the memory of the configured training; None without configuration."""
    module = training.module(scene.geometry)
    if module is None:
        return None
    photos = Photos.of([scene.views[i] for i in scene.train])
    try:
        step = StepSettings(training.data.rays_per_step, module.train_chunk_size, training.precision)
        return estimate_training(module, photos, step)
    except Exception as error:  # a part of the user's own may look at what tensors hold
        _LOG.warning(
            "Memory: not counted (%s: %s).", type(error).__name__, " ".join(str(error).split())[:200]
        )
        return None


def _write(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file; turn errors of the operating system into messages for the user."""
    try:
        write(path)
    except OSError as error:
        raise UserError(
            f"{path}: expected a place to write to, found none ({error}). Choose another."
        ) from error
