"""Configurations: those that exist, and how a run composes its own of base, variant, preset and more.

The files lie in ``experiments/``, in a checkout as in an installed package. A file may name the one that it
differs from, and then holds the difference alone:

    inherits: presets/fast
    data:
      width: 1512
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml

import normnex_pl
from normnex_pl.core.errors import UserError

Kind = Literal["variants", "presets", "loggers", "sweeps"]

DEFAULT_VARIANT = "nex_rgb"  # what all others are compared with
DEFAULT_PRESET = "fast"
_PARENT = "inherits"
_ENDINGS = (".yaml", ".yml")


def experiments_folder() -> Path:
    """Return the folder of the configurations: in an installed package, or beside a checkout's ``src/``."""
    package = Path(normnex_pl.__file__).resolve().parent
    installed = package / "experiments"
    return installed if installed.is_dir() else package.parents[1] / "experiments"


def known(kind: Kind) -> list[str]:
    """Return the names of all configurations of a kind; among variants, the baseline comes first."""
    names = (path.stem for path in (experiments_folder() / kind).glob("*.yaml"))
    return sorted(names, key=lambda name: (name != DEFAULT_VARIANT, name))


def config_file(kind: Kind, choice: str) -> Path:
    """Return the file of a configuration.

    Args:
        kind: The folder to look in.
        choice: A name in that folder, or the path of a YAML file of the user's own.

    Raises:
        UserError: There is none.
    """
    if choice.endswith(_ENDINGS):
        path = Path(choice)
        if not path.is_file():
            raise UserError(f"{path}: expected a YAML file, found none. Check the path.")
        return path
    if choice not in known(kind):
        raise UserError(
            f"{kind}: expected the path of a YAML file or one of {', '.join(known(kind))}, found {choice}. "
            "Choose one."
        )
    return experiments_folder() / kind / f"{choice}.yaml"


def config_files(
    variant: str = DEFAULT_VARIANT, preset: str = DEFAULT_PRESET, loggers: Sequence[str] = ()
) -> list[Path]:
    """Return the files that a run is composed of: later ones take precedence.

    Args:
        variant: A name in ``experiments/variants``, or a path.
        preset: A name in ``experiments/presets``, or a path.
        loggers: Names in ``experiments/loggers``, or paths.

    Raises:
        UserError: There is no such file; the message lists the choices.
    """
    return [
        experiments_folder() / "base.yaml",
        config_file("variants", variant),
        config_file("presets", preset),
        *(config_file("loggers", name) for name in loggers),
    ]


def config_words(files: Sequence[Path]) -> list[str]:
    """Return the arguments by which ``normnex fit`` reads these files."""
    return [word for file in files for word in ("-c", str(file))]


def device_words(gpus: int, nodes: int = 1) -> list[str]:
    """Return the arguments that train on GPUs, with a process each where there are several.

    Args:
        gpus: Of each node.
        nodes: Machines.

    Raises:
        UserError: A number isn't positive.
    """
    if min(gpus, nodes) < 1:
        raise UserError(f"--gpus, --nodes: expected at least 1 of each, found {gpus} and {nodes}.")
    several = config_words([experiments_folder() / "ddp.yaml"]) if gpus * nodes > 1 else []
    machines = [f"--trainer.num_nodes={nodes}"] if nodes > 1 else []
    return [*several, "--trainer.accelerator=gpu", f"--trainer.devices={gpus}", *machines]


def read_settings(path: Path) -> dict[str, Any]:
    """Read a file with all that it inherits.

    Raises:
        UserError: It can't be read, or it inherits what isn't there, or itself.
    """
    return _read(path, ())


def whole_text(text: str, folder: Path) -> str:
    """Return the YAML of a file that inherits nothing any more; any other text as it is.

    Args:
        text: Of the file.
        folder: Where the file lies.

    Raises:
        UserError: It inherits what can't be read.
    """
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:  # the parser says what is wrong with it
        return text
    if not isinstance(content, dict) or _PARENT not in content:
        return text
    return yaml.safe_dump(_with_parents(content, folder, ()), sort_keys=False)


def merged(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Merge several configurations, of which later ones take precedence."""
    result: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
            # Options of one class mean nothing to another.
            same = both and value.get("class_path", 0) in (0, result[key].get("class_path"))
            result[key] = merged([result[key], value]) if same else value
    return result


def _read(path: Path, children: Sequence[Path]) -> dict[str, Any]:
    if path in children:
        raise UserError(
            f"{path}: expected `{_PARENT}` to name another file, found one that inherits this one."
        )
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(
            f"{path}: expected a YAML file of settings, found something else ({error})."
        ) from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected settings with names, found {type(content).__name__}.")
    return _with_parents(content, path.parent, (*children, path))


def _with_parents(content: Mapping[str, Any], folder: Path, children: Sequence[Path]) -> dict[str, Any]:
    """Merge settings into those that they inherit, by a name in ``experiments/`` or the path of a file."""
    own = {key: value for key, value in content.items() if key != _PARENT}
    parent = content.get(_PARENT)
    if parent is None:
        return own
    name = str(parent)
    path = folder / name if name.endswith(_ENDINGS) else experiments_folder() / f"{name}.yaml"
    return merged([_read(path, children), own])
