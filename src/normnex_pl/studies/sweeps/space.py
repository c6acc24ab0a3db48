"""The parameters of a sweep: W&B's distributions, as Optuna searches them.

What Optuna has no distribution for is searched by its quantile, or rounded afterwards, so that a parameter of
a trial and the value that its run gets may differ: `Parameter.value` leads from one to the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial

from normnex_pl.core.errors import UserError
from normnex_pl.studies.sweeps.distributions import GRID_KINDS, KINDS, Values, is_number

_NESTED = "parameters"


@dataclass(frozen=True)
class Parameter:
    """A parameter that differs between runs.

    Attributes:
        path: Its name, after those of the parameters that it is nested in.
        distribution: That Optuna searches.
        value: Of a run, from what Optuna has proposed.
    """

    path: tuple[str, ...]
    distribution: BaseDistribution
    value: Callable[[Any], Any]

    @property
    def name(self) -> str:
        """Its name in the study and in tables."""
        return ".".join(self.path)

    def suggest(self, trial: Trial) -> Any:
        """Have Optuna propose what leads to a value."""
        match self.distribution:
            case IntDistribution(low=low, high=high):
                return trial.suggest_int(self.name, low, high)
            case FloatDistribution(low=low, high=high, log=log):
                return trial.suggest_float(self.name, low, high, log=log)
            case CategoricalDistribution(choices=choices):
                return trial.suggest_categorical(self.name, choices)
        raise TypeError(f"{self.name}: {self.distribution}")


@dataclass(frozen=True)
class Space:
    """All parameters of a sweep.

    Attributes:
        parameters: Those that differ between runs, sorted by name.
        constants: Values of the others, by their paths.
    """

    parameters: tuple[Parameter, ...]
    constants: Mapping[tuple[str, ...], Any]

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """What Optuna searches."""
        return {one.name: one.distribution for one in self.parameters}

    def flat(self, params: Mapping[str, Any]) -> Values:
        """Return the values of the parameters that differ, by their names."""
        return {one.name: one.value(params[one.name]) for one in self.parameters}

    def values(self, params: Mapping[str, Any]) -> Values:
        """Return the values of all parameters, nested as in the sweep.

        Args:
            params: What Optuna has proposed.
        """
        found = {one.path: one.value(params[one.name]) for one in self.parameters}
        result: Values = {}
        for path, value in sorted({**self.constants, **found}.items()):
            place = result
            for name in path[:-1]:
                place = place.setdefault(name, {})
            place[path[-1]] = value
        return result

    def grid(self) -> list[dict[str, Any]]:
        """Return all combinations of parameters, in W&B's order: the last name varies fastest."""
        choices = [one.distribution for one in self.parameters]
        assert all(isinstance(choice, CategoricalDistribution) for choice in choices)
        names = [one.name for one in self.parameters]
        return [
            dict(zip(names, chosen, strict=True))
            for chosen in itertools.product(*(choice.choices for choice in choices))  # type: ignore[attr-defined]
        ]


def read_space(parameters: Mapping[str, Any], as_grid: bool) -> Space:
    """Read the section ``parameters`` of a sweep.

    Args:
        parameters: The section.
        as_grid: Whether all parameters must have a countable number of values.

    Raises:
        UserError: A parameter has another form than W&B's format, or one that this engine doesn't know.
    """
    leaves = list(_leaves(parameters, ()))
    read = [(path, _read(path, entry, as_grid)) for path, entry in leaves]
    constants = {path: entry["value"] for path, entry in leaves if "value" in entry}
    if len({".".join(path) for path, _ in leaves}) < len(leaves):
        raise UserError("parameters: expected names of their own, found one twice, nested and with dots.")
    return Space(tuple(one for _, one in read if one is not None), constants)


def _leaves(
    parameters: Mapping[str, Any], outer: tuple[str, ...]
) -> list[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Return the parameters with their paths, sorted by name on each level."""
    found: list[tuple[tuple[str, ...], Mapping[str, Any]]] = []
    if not all(isinstance(name, str) for name in parameters):
        raise UserError(
            f"parameters: expected names that are texts, found {', '.join(map(str, parameters))}."
        )
    for name, entry in sorted(parameters.items()):
        path = (*outer, name)
        if not isinstance(entry, dict):
            raise _refusal(path, "a section with value, values, or min and max", entry)
        if _NESTED in entry:
            if set(entry) != {_NESTED} or not isinstance(entry[_NESTED], dict) or not entry[_NESTED]:
                raise _refusal(path, "nested `parameters` and nothing else", entry)
            found += _leaves(entry[_NESTED], path)
        else:
            found.append((path, entry))
    return found


def _read(path: tuple[str, ...], entry: Mapping[str, Any], as_grid: bool) -> Parameter | None:
    """Return a parameter; None for a constant."""
    kind = entry.get("distribution", _default_kind(entry))
    if kind not in KINDS:
        raise _refusal(path, f"one of the distributions {', '.join(KINDS)}", kind or dict(entry))
    required, optional, build = KINDS[kind]
    given = set(entry) - {"distribution"}
    if not set(required) <= given or given - {*required, *optional}:
        words = " and ".join(required) or "nothing more than a distribution"
        more = f", perhaps {', '.join(optional)}" if optional else ""
        raise _refusal(path, f"{words}{more} for the distribution {kind}", dict(entry))
    if kind == "constant":
        return None
    numbers = {name: entry[name] for name in given - {"values", "probabilities"}}
    if not all(is_number(value) for value in numbers.values()):
        raise _refusal(path, "numbers (1.0e-4, not 1e-4, which is a text in YAML)", dict(entry))
    if "min" in numbers and not numbers["min"] < numbers["max"]:
        raise _refusal(path, "a min below the max", dict(entry))
    if numbers.get("q", 1) <= 0 or numbers.get("sigma", 1) <= 0:
        raise _refusal(path, "a positive number", dict(entry))
    if as_grid:
        if kind not in GRID_KINDS:
            raise _refusal(path, "value, values, int_uniform or q_uniform in a grid", kind)
        build = GRID_KINDS[kind]
    try:
        distribution, value = build(dict(entry))
    except (TypeError, ValueError, OverflowError) as error:
        raise _refusal(path, f"what the distribution {kind} allows", f"{dict(entry)} ({error})") from error
    return Parameter(path, distribution, value)


def _default_kind(entry: Mapping[str, Any]) -> str | None:
    """Return the distribution of a parameter that names none, as W&B chooses it."""
    if "value" in entry:
        return "constant"
    if "values" in entry:
        return "categorical_w_probabilities" if "probabilities" in entry else "categorical"
    if "min" in entry or "max" in entry:
        whole = all(isinstance(entry.get(name), int) for name in ("min", "max"))
        return "int_uniform" if whole else "uniform"
    return None


def _refusal(path: tuple[str, ...], expected: str, found: Any) -> UserError:
    return UserError(f"parameters.{'.'.join(path)}: expected {expected}, found {found}.")
