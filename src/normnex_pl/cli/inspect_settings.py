"""What ``normnex inspect`` is asked: options of its own, those of the data, and a training's YAML files."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import MPIGeometry
from normnex_pl.data.datamodule import SceneDataModule
from normnex_pl.training.configurations import merged, read_settings
from normnex_pl.training.module import NormNeXModule

# What the presets `fast` and `paper` have.
_WIDTH = 1008
# Of a model whose configuration says nothing of them, as `NormNeXModule` has them.
_NUM_LAYERS, _SUBLAYERS = 16, 12
_CONFIG = ("-c", "--config")


@dataclass(frozen=True)
class InspectionSettings:
    """What to look at, and what to write.

    Attributes:
        scene: Folder of the scene.
        out: The picture's file; None is ``runs/<scene>/inspect.png``.
        num_planes: How many planes a training will have; None asks the configuration.
        write_planes: Whether to write ``planes.txt`` into the scene.
        json: Whether to print JSON.
        data: Of `SceneDataModule`, parsed.
        config: The YAML files, merged; empty without any.
    """

    scene: Path
    out: Path | None
    num_planes: int | None
    write_planes: bool
    json: bool
    data: Namespace
    config: Mapping[str, Any]

    def load(self) -> SceneDataModule:
        """Load the scene."""
        data = _parser().instantiate(Namespace(data=self.data, scene=self.scene)).data
        assert isinstance(data, SceneDataModule)
        return data

    def planes(self) -> int:
        """Return how many planes a training will have.

        Raises:
            UserError: Fewer than two.
        """
        model = self.config.get("model") or {}
        configured = int(model.get("num_layers", _NUM_LAYERS)) * int(model.get("sublayers", _SUBLAYERS))
        count = configured if self.num_planes is None else self.num_planes
        if count < 2:
            raise UserError(f"--num_planes: expected at least 2, found {count}.")
        return count

    def module(self, geometry: MPIGeometry) -> NormNeXModule | None:
        """Return the model that would be trained; None without configuration of one.

        Raises:
            ArgumentError: The configuration isn't that of a model.
        """
        if "model" not in self.config:
            return None
        parser = ArgumentParser(exit_on_error=False)
        parser.add_class_arguments(NormNeXModule, "model")
        parsed = parser.parse_object({"model": {**self.config["model"], "geometry": asdict(geometry)}})
        module = parser.instantiate(parsed).model
        assert isinstance(module, NormNeXModule)
        return module

    @property
    def precision(self) -> str:
        """Of the training, as Lightning's trainer is given it."""
        return str((self.config.get("trainer") or {}).get("precision") or "32-true")


def parse_settings(args: Sequence[str]) -> InspectionSettings:
    """Parse the arguments behind ``inspect``.

    Raises:
        UserError: A configuration can't be read.
        ArgumentError: An argument is unknown, missing or of another type.
    """
    # The files' settings of the data become defaults, which the other arguments replace.
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    finder.add_argument(*_CONFIG, action="append", default=[])
    found, others = finder.parse_known_args([*args])
    config = merged([read_settings(Path(path)) for path in found.config])
    parser = _parser()
    parser.set_defaults({f"data.{name}": value for name, value in (config.get("data") or {}).items()})
    options = parser.parse_args(others)
    if not options.scene:
        raise UserError("inspect: expected the folder of a scene, found none. Usage: normnex inspect SCENE")
    return InspectionSettings(
        scene=Path(options.scene),
        out=None if options.out is None else Path(options.out),
        num_planes=options.num_planes,
        write_planes=options.write_planes,
        json=options.json,
        data=options.data,
        config=config,
    )


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="normnex inspect",
        description="Looks at a scene without training on it: views, depths, planes, padding, memory, and a "
        "picture of them.",
        exit_on_error=False,
    )
    parser.add_argument("scene", nargs="?", default="", help="the scene's folder")
    parser.add_argument(
        *_CONFIG, help="YAML file of a training, as fit takes it; may be repeated"
    )  # for --help
    parser.add_argument(
        "--num_planes", type=int | None, help="that a training will have; default: as configured"
    )
    parser.add_argument("--out", type=Path | None, help="the picture; default: runs/<scene>/inspect.png")
    parser.add_argument(
        "--write_planes", action="store_true", help="write planes.txt into the scene's folder, to be changed"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_class_arguments(SceneDataModule, "data")
    parser.link_arguments("scene", "data.scene", apply_on="parse")
    parser.set_defaults({"data.width": _WIDTH})
    return parser
