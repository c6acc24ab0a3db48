"""W&B's own engine for sweeps: reads questions from stdin and writes answers to stdout, JSON, one a line.

Runs in an environment of its own (requirements.txt beside it) and knows nothing of the package:
`normnex_pl.studies.sweeps.engine` asks. Questions, each with the sweep's `config` and its `runs` so far:

    check       which faults has the config?                      -> {"faults": [...]}
    next        which values does the next run have?              -> {"values": {...} or null}
    stop        which runs under way are to be stopped?           -> {"stop": [names]}
    importance  how do `rows` of values determine the `scores`?   -> {"importance": {name: [mean, sd]}, ...}

A question that it can't answer is answered by {"error": reason}. It has no state.
"""

from __future__ import annotations

import json
import math
import random
import sys
from typing import Any

import numpy as np

TREES = 300
REPEATS = 30


def check(question: dict[str, Any]) -> dict[str, Any]:
    """Check the config against W&B's schema."""
    from sweeps import schema_violations_from_proposed_config

    try:
        return {"faults": schema_violations_from_proposed_config(question["config"])}
    except ValueError as error:
        return {"faults": [str(error)]}


def next_values(question: dict[str, Any]) -> dict[str, Any]:
    """Propose a run; the same input gives the same result."""
    from sweeps import next_run

    random.seed(len(question["runs"]))
    np.random.seed(len(question["runs"]))  # noqa: NPY002 (the engine draws from it)
    proposed = next_run(question["config"], runs_of(question))
    if proposed is None:
        return {"values": None}
    return {"values": {name: plain(entry["value"]) for name, entry in proposed.config.items()}}


def stop(question: dict[str, Any]) -> dict[str, Any]:
    """Apply the config's early termination."""
    from sweeps import stop_runs

    return {"stop": [run.name for run in stop_runs(question["config"], runs_of(question))]}


def importance(question: dict[str, Any]) -> dict[str, Any]:
    """Return how much of the scores a random forest owes to each parameter, and in which direction it goes.

    By permutation: the loss of R^2 when a parameter's column is shuffled. Over runs that the forest has
    seen: with a dozen of them there are none to spare.
    """
    from scipy.stats import spearmanr
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    rows, scores = question["rows"], np.asarray(question["scores"], dtype=float)
    names = list(rows[0])
    columns = np.column_stack([as_numbers([row[name] for row in rows]) for name in names])
    forest = RandomForestRegressor(TREES, random_state=0).fit(columns, scores)
    found = permutation_importance(forest, columns, scores, n_repeats=REPEATS, random_state=0)
    ordered = [all(isinstance(row[name], (int, float)) for row in rows) for name in names]
    direction = {
        name: plain(spearmanr(columns[:, place], scores).statistic)
        for place, name in enumerate(names)
        if ordered[place]
    }
    means, deviations = found.importances_mean, found.importances_std
    return {
        "importance": {name: [plain(means[i]), plain(deviations[i])] for i, name in enumerate(names)},
        "correlation": {name: value for name, value in direction.items() if math.isfinite(value)},
    }


def as_numbers(values: list[Any]) -> np.ndarray:
    """Return a column for the forest: numbers as they are, for trees see only their order.

    Others by their names.
    """
    if all(isinstance(value, (int, float)) for value in values):
        return np.asarray(values, dtype=float)
    texts = [json.dumps(value) for value in values]
    return np.asarray([sorted(set(texts)).index(text) for text in texts], dtype=float)


def runs_of(question: dict[str, Any]) -> list[Any]:
    """Return the runs as the engine has them."""
    from sweeps import SweepRun

    return [SweepRun(**run) for run in question["runs"]]


def plain(value: Any) -> Any:
    """Return a value that JSON knows."""
    return value.item() if isinstance(value, np.generic) else value


ANSWERS = {"check": check, "next": next_values, "stop": stop, "importance": importance}


def answer(line: str) -> dict[str, Any]:
    """Return the answer to a question."""
    question = json.loads(line)
    try:
        return ANSWERS[question["ask"]](question)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    for asked in sys.stdin:
        print(json.dumps(answer(asked)), flush=True)
