"""Captions for figures of several runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from normnex_pl.core.errors import UserError
from normnex_pl.studies.comparison import Run


def finished(runs: Sequence[Run]) -> list[Run]:
    """Return the runs that finished.

    Raises:
        UserError: None did.
    """
    known = [run for run in runs if run.failure is None]
    if not known:
        failures = "; ".join(f"{run.row} failed: {run.failure}" for run in runs) or "none"
        raise UserError(f"runs: expected at least one finished run to show, found {failures}.")
    return known


def runs_caption(runs: Sequence[Run]) -> str:
    """Return the scene, preset, steps and seeds of the finished runs; failed ones are skipped.

    Raises:
        UserError: No run finished.
    """
    runs = finished(runs)
    scenes = _listed(run.metrics.get("scene") for run in runs)
    presets = _listed(run.metrics.get("preset") for run in runs)
    steps = _listed(f"{run.metrics.get('steps', 0):,}" for run in runs)
    seeds = _listed(run.seed for run in runs)
    return f"{scenes}: preset {presets}, {steps} steps, seed {seeds}"


def _listed(values: Iterable[Any]) -> str:
    """Join the distinct values, in the order of their first occurrence."""
    return " / ".join(dict.fromkeys(map(str, values)))
