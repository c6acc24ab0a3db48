"""The training that a scene is inspected for: YAML files and settings of the data."""

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


@dataclass(frozen=True)
class ConfiguredTraining:
    """A training on a scene, as far as it is configured.

    Attributes:
        data: Settings of `SceneDataModule`, parsed.
        config: The YAML files, merged; empty without any.
    """

    data: Namespace
    config: Mapping[str, Any]

    @classmethod
    def of(cls, scene: Path, files: Sequence[Path], words: Sequence[str]) -> ConfiguredTraining:
        """Read the files and parse the words.

        Args:
            scene: The scene's folder.
            files: YAML files; later ones take precedence.
            words: More files (``-c``) and settings of the data, which take precedence over all files.

        Raises:
            UserError: A configuration can't be read.
            ArgumentError: A word is unknown, or of another type.
        """
        finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
        finder.add_argument("-c", "--config", action="append", default=[], type=Path)
        found, settings = finder.parse_known_args([*words])
        config = merged([read_settings(path) for path in (*files, *found.config)])
        # The files' settings of the data become defaults, which the words replace.
        of_data = {**(config.get("data") or {}), "scene": str(scene)}
        parser = _parser()
        parser.set_defaults({f"data.{name}": value for name, value in of_data.items()})
        return cls(parser.parse_args(settings).data, config)

    def load(self) -> SceneDataModule:
        """Load the scene."""
        data = _parser().instantiate(Namespace(data=self.data)).data
        assert isinstance(data, SceneDataModule)
        return data

    def num_planes(self, given: int | None) -> int:
        """Return the number of planes of the training.

        Args:
            given: By the user; None asks the configuration.

        Raises:
            UserError: Fewer than two.
        """
        model = self.config.get("model") or {}
        configured = int(model.get("num_layers", _NUM_LAYERS)) * int(model.get("sublayers", _SUBLAYERS))
        count = configured if given is None else given
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
        """Precision of the training, as Lightning's trainer takes it."""
        return str((self.config.get("trainer") or {}).get("precision") or "32-true")


def _parser() -> ArgumentParser:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(SceneDataModule, "data")
    parser.set_defaults({"data.width": _WIDTH})
    return parser
