"""Parameters of sweeps: W&B's grids and distributions, by Optuna."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml

from normnex_pl.core.errors import UserError
from normnex_pl.studies.sweeps.distributions import KINDS
from normnex_pl.studies.sweeps.space import read_space
from support.wandb_grids import EXPECTED, GRIDS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", GRIDS)
def test_a_grid_is_the_one_that_wandbs_engine_proposes(name: str) -> None:
    space = read_space(yaml.safe_load(GRIDS[name]), as_grid=True)
    found = [space.values(params) for params in space.grid()]
    expected = json.loads(EXPECTED[name])
    # As JSON too: True is 1 and 1.0 is 1 in Python, not in the command of a run.
    assert json.dumps(found, sort_keys=True) == json.dumps(expected, sort_keys=True)


def test_the_shipped_grid_has_each_variant_with_each_seed_in_wandbs_order() -> None:
    sweep = yaml.safe_load((ROOT / "experiments" / "sweeps" / "variants.yaml").read_text(encoding="utf-8"))
    space = read_space(sweep["parameters"], as_grid=True)
    found = [space.values(params) for params in space.grid()]
    variants = sweep["parameters"]["variant"]["values"]
    assert [(one["seed"], one["variant"]) for one in found] == [
        (seed, variant) for seed in (0, 1, 2) for variant in variants
    ]
    assert all(one["data.num_validation_views"] == 3 for one in found)


def sampled(entry: dict[str, Any], count: int = 400) -> list[Any]:
    """Return values of one parameter, by random search."""
    space = read_space({"a": entry}, as_grid=False)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found = []
    for _ in range(count):
        trial = study.ask()
        (parameter,) = space.parameters
        found.append(space.values({"a": parameter.suggest(trial)})["a"])
    return found


E, Q = math.exp, 0.25
# A distribution, its least and its largest value, and its median.
BOUNDED = [
    ({"min": 2.0, "max": 4.0}, 2, 4, 3),
    ({"distribution": "uniform", "min": 2, "max": 4}, 2, 4, 3),
    ({"distribution": "q_uniform", "min": 2.0, "max": 4.0, "q": Q}, 2, 4, 3),
    ({"distribution": "log_uniform", "min": -2, "max": 2}, E(-2), E(2), 1),
    ({"distribution": "log_uniform_values", "min": 0.01, "max": 1.0}, 0.01, 1, 0.1),
    ({"distribution": "inv_log_uniform", "min": 1, "max": 3}, E(-3), E(-1), E(-2)),
    ({"distribution": "inv_log_uniform_values", "min": 0.01, "max": 1.0}, 0.01, 1, 0.1),
    ({"distribution": "q_log_uniform", "min": 0, "max": 4, "q": Q}, 1, round(E(4) / Q) * Q, E(2)),
    ({"distribution": "q_log_uniform_values", "min": 1, "max": 100, "q": Q}, 1, 100, 10),
    ({"distribution": "normal", "mu": 3, "sigma": 0.5}, 0.6, 5.4, 3),
    ({"distribution": "log_normal", "mu": 1, "sigma": 0.5}, 0.2, 30, E(1)),
    ({"distribution": "q_normal", "mu": 3, "sigma": 0.5, "q": Q}, 0.5, 5.5, 3),
    ({"distribution": "q_log_normal", "mu": 1, "sigma": 0.5, "q": Q}, 0.25, 30, E(1)),
]


@pytest.mark.parametrize(("entry", "low", "high", "middle"), BOUNDED, ids=lambda one: str(one)[:40])
def test_a_distribution_has_wandbs_bounds_and_median(
    entry: dict[str, Any], low: float, high: float, middle: float
) -> None:
    found = sampled(entry)
    assert low <= min(found) < max(found) <= high
    assert statistics.median(found) == pytest.approx(middle, rel=0.25)
    if "q" in entry:
        assert all(value / Q == pytest.approx(round(value / Q)) for value in found)


def test_a_normal_distribution_has_its_deviation() -> None:
    found = sampled({"distribution": "normal", "mu": -1, "sigma": 2.0}, 2000)
    assert statistics.stdev(found) == pytest.approx(2, rel=0.1)


def test_choices_have_their_types_and_probabilities() -> None:
    assert {type(value) for value in sampled({"min": 1, "max": 3})} == {int}
    assert {json.dumps(value) for value in sampled({"values": [1, True, None, [2], {"k": 1}]})} == {
        "1",
        "true",
        "null",
        "[2]",
        '{"k": 1}',
    }
    weighted = sampled({"values": ["a", "b", "c"], "probabilities": [0.7, 0, 0.3]}, 1000)
    assert weighted.count("a") == pytest.approx(700, rel=0.1)
    assert "b" not in weighted


def test_every_distribution_is_tested() -> None:
    named = {entry.get("distribution") for entry, *_ in BOUNDED}
    others = {"constant", "categorical", "categorical_w_probabilities", "int_uniform"}
    assert named - {None} | others == set(KINDS)


def test_nested_parameters_make_nested_values() -> None:
    space = read_space(
        {"a": {"parameters": {"b": {"min": 0.0, "max": 1.0}, "c": {"value": 3}}}, "d.e": {"value": 4}}, False
    )
    assert list(space.distributions) == ["a.b"]
    assert space.values({"a.b": 0.5}) == {"a": {"b": 0.5, "c": 3}, "d.e": 4}


@pytest.mark.parametrize(
    ("entry", "grid", "message"),
    [
        (3, False, "parameters.a: expected a section with value, values, or min and max, found 3"),
        ({"min": 2.0, "max": 1.0}, False, "a min below the max"),
        ({"min": 1.0}, False, "expected min and max for the distribution uniform"),
        ({"min": "1e-4", "max": 1.0}, False, "1.0e-4, not 1e-4"),
        ({"distribution": "beta", "a": 1, "b": 2}, False, "one of the distributions constant"),
        ({"values": []}, False, "expected a list"),
        (yaml.safe_load("values: [2026-01-01]"), False, "what the distribution categorical allows"),
        ({"values": [1], "median": 3}, False, "expected values for the distribution categorical"),
        ({"values": [1, 2], "probabilities": [1]}, False, "a probability for each value"),
        ({"distribution": "log_uniform_values", "min": 0, "max": 1.0}, False, "what the distribution"),
        ({"distribution": "normal", "sigma": 0}, False, "a positive number"),
        ({"parameters": {}}, False, "nested `parameters` and nothing else"),
        ({"min": 0.0, "max": 1.0}, True, "values, int_uniform or q_uniform in a grid, found uniform"),
        ({}, False, "one of the distributions"),
    ],
)
def test_what_has_no_meaning_is_refused(entry: Any, grid: bool, message: str) -> None:
    with pytest.raises(UserError) as error:
        read_space({"a": entry}, grid)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_name_that_is_there_twice_is_refused() -> None:
    twice = {"a.b": {"value": 1}, "a": {"parameters": {"b": {"values": [1, 2]}}}}
    with pytest.raises(UserError, match="found one twice"):
        read_space(twice, False)
