"""W&B's distributions of parameters, as Optuna's with a function that leads to the values of runs."""

from __future__ import annotations

import itertools
import json
import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

Values = dict[str, Any]
Built = tuple[BaseDistribution, Callable[[Any], Any]]
Builder = Callable[[Values], Built]
_QUANTILES = (1e-6, 1 - 1e-6)
_PLAIN = (type(None), bool, int, float, str)


def _categorical(entry: Values) -> Built:
    """Build a choice; values that Optuna can't tell apart or store are known to it by their JSON."""
    values = entry["values"]
    if not isinstance(values, list) or not values:
        raise ValueError("values: expected a list")
    # As W&B: of values that are the same in JSON, the last one is in the first one's place.
    distinct = {_text(value): value for value in values}
    plain = all(isinstance(value, _PLAIN) for value in distinct.values())
    if plain and len(set(distinct.values())) == len(distinct):
        return CategoricalDistribution(list(distinct.values())), lambda chosen: chosen
    return CategoricalDistribution(list(distinct)), lambda chosen: distinct[chosen]


def _weighted(entry: Values) -> Built:
    values, weights = entry["values"], entry["probabilities"]
    lists = isinstance(values, list) and isinstance(weights, list) and len(values) == len(weights) > 0
    if not lists or not all(is_number(weight) and weight >= 0 for weight in weights) or not sum(weights):
        raise ValueError("expected a probability for each value")
    bounds = [total / sum(weights) for total in itertools.accumulate(weights)]
    return FloatDistribution(*_QUANTILES), lambda place: values[
        min(bisect_right(bounds, place), len(values) - 1)
    ]


def _uniform(entry: Values) -> Built:
    return FloatDistribution(float(entry["min"]), float(entry["max"])), float


def _log_uniform(entry: Values) -> Built:
    return FloatDistribution(float(entry["min"]), float(entry["max"]), log=True), float


def _by_exponents(entry: Values) -> Built:
    return _log_uniform({"min": math.exp(entry["min"]), "max": math.exp(entry["max"])})


def _by_negative_exponents(entry: Values) -> Built:
    return _log_uniform({"min": math.exp(-entry["max"]), "max": math.exp(-entry["min"])})


def _normal(entry: Values) -> Built:
    """Build a normal distribution: all quantiles are equally likely."""
    normal = NormalDist(float(entry.get("mu", 0)), float(entry.get("sigma", 1)))
    return FloatDistribution(*_QUANTILES), normal.inv_cdf


def _log_normal(entry: Values) -> Built:
    distribution, value = _normal(entry)
    return distribution, lambda place: math.exp(value(place))


def _whole(entry: Values) -> Built:
    return IntDistribution(entry["min"], entry["max"]), int


def _rounded(build: Builder) -> Builder:
    """Return a builder of the same distribution in steps of ``q``."""

    def built(entry: Values) -> Built:
        step = entry.get("q", 1.0)
        distribution, value = build(entry)
        return distribution, lambda proposed: type(step)(round(value(proposed) / step) * step)

    return built


_BOUNDS, _MOMENTS = ("min", "max"), ("mu", "sigma")
# Keys that a distribution must have, keys that it may have, and how it is built.
KINDS: dict[str, tuple[Sequence[str], Sequence[str], Builder]] = {
    "constant": (("value",), (), _categorical),
    "categorical": (("values",), (), _categorical),
    "categorical_w_probabilities": (("values", "probabilities"), (), _weighted),
    "int_uniform": (_BOUNDS, (), _whole),
    "uniform": (_BOUNDS, (), _uniform),
    "q_uniform": (_BOUNDS, ("q",), _rounded(_uniform)),
    "log_uniform": (_BOUNDS, (), _by_exponents),
    "q_log_uniform": (_BOUNDS, ("q",), _rounded(_by_exponents)),
    "log_uniform_values": (_BOUNDS, (), _log_uniform),
    "q_log_uniform_values": (_BOUNDS, ("q",), _rounded(_log_uniform)),
    "inv_log_uniform": (_BOUNDS, (), _by_negative_exponents),
    "inv_log_uniform_values": (_BOUNDS, (), _log_uniform),
    "normal": ((), _MOMENTS, _normal),
    "q_normal": ((), (*_MOMENTS, "q"), _rounded(_normal)),
    "log_normal": ((), _MOMENTS, _log_normal),
    "q_log_normal": ((), (*_MOMENTS, "q"), _rounded(_log_normal)),
}


def _steps(low: float, high: float, step: float) -> list[float]:
    """Return the multiples of a step from ``low``, without ``high``."""
    return [low + number * step for number in range(math.ceil((high - low) / step))]


def _text(value: Any) -> str:
    """Return JSON in which 3.0 is 3, as W&B's server has it."""
    return json.dumps(
        int(value) if isinstance(value, float) and value.is_integer() else value, sort_keys=True
    )


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


# The same of the distributions that a grid may have: all values, as W&B's grids have them.
GRID_KINDS: dict[str, Builder] = {
    "categorical": _categorical,
    "int_uniform": lambda entry: _categorical({"values": list(range(entry["min"], entry["max"] + 1))}),
    "q_uniform": lambda entry: _categorical(
        {"values": _steps(entry["min"], entry["max"], entry.get("q", 1.0))}
    ),
}
