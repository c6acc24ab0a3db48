"""A sweep's YAML, in W&B's own format, and the command of a run that follows from it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from normnex_pl.core.errors import UserError

Config = dict[str, Any]

_DEFAULT_COMMAND = ("${env}", "${interpreter}", "${program}", "${args}")
_ENVIRONMENT = re.compile(r"\$\{envvar:([A-Z0-9_]*)\}")


def read_sweep(path: Path, arguments: Sequence[str]) -> Config:
    """Read a sweep.

    Args:
        path: The YAML file.
        arguments: For all runs, after those that the sweep chooses: the later of two takes precedence.

    Raises:
        UserError: It is no sweep that this package can start. W&B's schema checks the rest.
    """
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{path}: expected the YAML file of a sweep, found none ({error}).") from error
    known = isinstance(content, dict) and isinstance(content.get("parameters"), dict)
    for key, what in (("method", str), ("program", str), ("metric", dict)):
        if not known or not isinstance(content.get(key), what):
            raise UserError(
                f"{path}: expected `method`, `program`, `metric` and `parameters` as in "
                "experiments/sweeps/regularizers.yaml, found "
                f"{', '.join(map(str, content)) if isinstance(content, dict) else 'something else'}."
            )
    command = content.get("command", list(_DEFAULT_COMMAND))
    if not isinstance(command, list) or "${args}" not in command:
        raise UserError(
            f"{path}: expected ${{args}} in `command`, after ${{program}}: without it all runs are the "
            f"same. Found {command}."
        )
    unknown = [
        word for word in command if re.fullmatch(r"\$\{\w+\}", str(word)) and word not in _DEFAULT_COMMAND
    ]
    if unknown:
        raise UserError(
            f"{path}: expected no words in `command` but {', '.join(_DEFAULT_COMMAND)}, ${{envvar:NAME}} and "
            f"plain ones, found {', '.join(unknown)}."
        )
    return content | {"command": [*command, *arguments]}


def metric_of(config: Config) -> tuple[str, bool]:
    """Return the name of what the sweep improves, and whether more is better."""
    return str(config["metric"]["name"]), config["metric"].get("goal", "minimize") == "maximize"


def command_line(config: Config, values: Mapping[str, Any]) -> list[str]:
    """Return the words that start a run, as W&B's agent would.

    Args:
        config: The sweep.
        values: Of its parameters.
    """
    meanings: dict[str, list[str]] = {
        "${env}": ["/usr/bin/env"],
        "${interpreter}": [sys.executable],
        "${program}": [config["program"]],
        "${args}": [f"--{name}={value}" for name, value in values.items()],
    }
    words: list[str] = []
    for word in map(str, config["command"]):
        filled = _ENVIRONMENT.sub(lambda match: os.environ.get(match[1], match[1]), word)
        words += meanings.get(word, [filled])
    return words


def searched(config: Config) -> list[str]:
    """Return the parameters that differ between runs."""
    return [name for name, entry in config["parameters"].items() if "value" not in entry]
