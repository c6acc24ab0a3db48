"""A sweep's YAML, in W&B's own format, and the command of a run that follows from it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from normnex_pl.core.errors import UserError
from normnex_pl.studies.sweeps.space import Space, read_space

Config = dict[str, Any]

_METHODS = ("grid", "random", "bayes")
_KEYS = ("name", "method", "metric", "parameters", "early_terminate", "run_cap", "program", "command")
_FOR_WANDB = ("description", "project", "entity")  # say where a sweep is and what it is called there
_DEFAULT_COMMAND = ("${env}", "${interpreter}", "${program}", "${args}")
_ENVIRONMENT = re.compile(r"\$\{envvar:([A-Z0-9_]*)\}")


def read_sweep(path: Path, arguments: Sequence[str]) -> Config:
    """Read a sweep.

    Args:
        path: The YAML file.
        arguments: For all runs, after those that the sweep chooses: the later of two takes precedence.

    Raises:
        UserError: It is no sweep that this package can start.
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


@dataclass(frozen=True)
class Halving:
    """Successive halving: of the runs that reach a rung, the best part goes on.

    Attributes:
        first: The first rung, in validations; each further one has ``factor`` times as many.
        factor: Of the runs at a rung, one in so many goes on.
    """

    first: int
    factor: int


@dataclass(frozen=True)
class Search:
    """A sweep as Optuna runs it.

    Attributes:
        method: ``grid``, ``random`` or ``bayes``.
        metric: The name of what the sweep improves.
        maximize: Whether more is better.
        space: All parameters.
        halving: How bad runs are stopped early; None for not at all.
        count: Runs in all; None for all of a grid.
    """

    method: str
    metric: str
    maximize: bool
    space: Space
    halving: Halving | None
    count: int | None


def read_search(path: Path, config: Config, count: int | None) -> Search:
    """Translate a sweep for Optuna.

    Args:
        path: Its file, for messages.
        config: Its content.
        count: Runs in all, where the user says so; else the file's ``run_cap``.

    Raises:
        UserError: The sweep says something that has no meaning here.
    """
    method = config["method"]
    if method not in _METHODS:
        raise UserError(f"{path}: method: expected {', '.join(_METHODS)}, found {method}.")
    _check_keys(path, "the sweep", config, (*_KEYS, *_FOR_WANDB))
    _check_keys(path, "metric", config["metric"], ("name", "goal"))
    name, goal = config["metric"].get("name"), config["metric"].get("goal", "minimize")
    if not isinstance(name, str) or goal not in ("minimize", "maximize"):
        raise UserError(
            f"{path}: metric: expected a name, and the goal minimize or maximize, found {config['metric']}."
        )
    try:
        space = read_space(config["parameters"], as_grid=method == "grid")
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return Search(
        method, name, goal == "maximize", space, _halving(path, config), run_count(path, config, count)
    )


def run_count(path: Path, config: Config, count: int | None) -> int | None:
    """Return the number of runs in all; None for all of a grid.

    Args:
        path: The sweep's file, for messages.
        config: Its content.
        count: What the user says; else it is the file's ``run_cap``.

    Raises:
        UserError: There is none.
    """
    count = config.get("run_cap") if count is None else count
    endless = count is None and config["method"] != "grid"
    if endless or (count is not None and not (isinstance(count, int) and count > 0)):
        raise UserError(f"{path}: expected a number of runs, found {count}. Say --count=n.")
    return count


def _halving(path: Path, config: Config) -> Halving | None:
    """Translate W&B's hyperband, whose bands are the rungs of one successive halving."""
    if "early_terminate" not in config:
        return None
    entry = config["early_terminate"]
    entry = entry if isinstance(entry, dict) else {"type": entry}
    if entry.get("type") != "hyperband":
        raise UserError(f"{path}: early_terminate: expected type: hyperband, found {entry.get('type')}.")
    _check_keys(path, "early_terminate", entry, ("type", "min_iter", "max_iter", "s", "eta"))
    factor, first = entry.get("eta", 3), entry.get("min_iter")
    if first is None and all(isinstance(entry.get(name), int) for name in ("max_iter", "s")):
        first = int(entry["max_iter"] / factor ** entry["s"])
    if not isinstance(factor, int) or factor < 2 or not isinstance(first, int) or first < 1:
        raise UserError(
            f"{path}: early_terminate: expected a whole eta of at least 2, and min_iter, or max_iter and s, "
            f"which give a first rung of at least 1, found {entry}."
        )
    return Halving(first, factor)


def _check_keys(path: Path, what: str, section: Mapping[str, Any], known: Sequence[str]) -> None:
    """Refuse what would be ignored without a word."""
    if unknown := [str(name) for name in section if name not in known]:
        raise UserError(
            f"{path}: {what}: expected {', '.join(known)}, found {', '.join(unknown)}, which has no meaning "
            "without a W&B account. Leave it out."
        )


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
