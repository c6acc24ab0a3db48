"""Comparison of a stored configuration with the current one and with this version. Without torch."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

import normnex_pl
from normnex_pl.core.errors import UserError

# Settings that had another name before version 0.1.0, or are gone.
_RENAMED = {
    "data.planes.offset": "now data.planes.padding",
    "model.chunk": "now model.eval_chunk_size",
    "model.rays_at_once": "now model.train_chunk_size",
    "model.attached_targets": "no longer there",
}
_CONFIG_OPTIONS = ("-c", "--config")


def parse_settings(text: str) -> dict[str, Any]:
    """Parse settings from YAML.

    Raises:
        ValueError: It isn't YAML, or no mapping.
    """
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    if not isinstance(content, dict):
        raise ValueError(f"no settings with names, but {type(content).__name__}")
    if odd := [name for name in content if not isinstance(name, str)]:
        raise ValueError(f"no name of a setting, but {odd[0]}")
    return content


def identity(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that identify a run, which exclude paths and the machine."""
    data = {key: value for key, value in settings["data"].items() if key != "scene"}
    return {"data": data} | {name: settings.get(name) for name in ("model", "seed_everything")}


def identity_difference(stored: dict[str, Any], now: dict[str, Any]) -> str | None:
    """Name the first setting that makes two configurations different runs, or None."""
    return first_difference(identity(stored), identity(now))


def first_difference(before: Any, now: Any, key: str = "") -> str | None:
    """Name the first value in which two nested dictionaries differ, or None."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in sorted({*before, *now}, key=str):
            difference = first_difference(before.get(name), now.get(name), f"{key}.{name}" if key else name)
            if difference:
                return difference
        return None
    return None if before == now else f"{key}: {before} there, {now} now"


def check_version(path: Path, settings: dict[str, Any]) -> None:
    """Check that this version knows the classes and names in a configuration.

    Args:
        path: The file that holds it.
        settings: The configuration.

    Raises:
        UserError: An older version wrote it.
    """
    reason = next(_unknown(settings), None)
    if reason is not None:
        raise other_version(path, reason)


def other_version(path: Path, reason: str) -> UserError:
    """Return the error that says that another version of the package wrote a file, and how one can tell."""
    return UserError(
        f"{path}: expected settings of normnex_pl {normnex_pl.__version__}, found those of another version "
        f"({reason}). Train again in another folder (--run.folder=...), or use the version that wrote them."
    )


def check_config_files(arguments: Sequence[str]) -> None:
    """Check the versions of all configuration files that a command line names.

    A file that can't be read is left to the parser.

    Raises:
        UserError: An older version wrote one of them.
    """
    for path in _config_files(arguments):
        try:
            settings = parse_settings(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        check_version(path, settings)


def _config_files(arguments: Sequence[str]) -> Iterator[Path]:
    """Yield the values of the options that name a configuration file."""
    for word, following in pairwise([*arguments, ""]):
        option, equals, value = word.partition("=")
        if option in _CONFIG_OPTIONS:
            yield Path(value if equals else following)


def _unknown(settings: Any, key: str = "") -> Iterator[str]:
    """Yield settings that this version has no place for, with their names."""
    if isinstance(settings, list):
        for item in settings:
            yield from _unknown(item, key)
    elif isinstance(settings, dict):
        for name, value in settings.items():
            path = f"{key}.{name}" if key else str(name)
            if path in _RENAMED:
                yield f"{path} is {_RENAMED[path]}"
            elif name == "class_path" and not _exists(value):
                yield f"{path}: there is no {value} now"
            else:
                yield from _unknown(value, path)


def _exists(class_path: Any) -> bool:
    """Return whether a class of this package is where a configuration says; others are the parser's."""
    module, _, name = str(class_path).rpartition(".")
    if module.split(".")[0] != normnex_pl.__name__:
        return True
    try:
        return hasattr(importlib.import_module(module), name)
    except ModuleNotFoundError:
        return False
