"""What a sweep knows so far: its runs, read from the study and from their folders."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from normnex_pl.studies.queue.board import FAILURE, SLOT
from normnex_pl.studies.sweeps.config import Config, Search
from normnex_pl.studies.sweeps.work import SweepWork
from normnex_pl.training.loggers.metrics_csv import read_history
from normnex_pl.training.run_folder import RunFolder

_STATES = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "stopped",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
}


@dataclass(frozen=True)
class SweepRun:
    """A run of a sweep.

    Attributes:
        folder: Its folder, which has its name.
        params: As Optuna has proposed them.
        values: Of the parameters that differ between runs.
        state: ``stopped`` means early, by the sweep.
        history: Steps and scores so far.
        failure: Why it failed, in a line.
    """

    folder: Path
    params: dict[str, Any]
    values: dict[str, Any]
    state: str
    history: list[tuple[int, float]]
    failure: str | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return self.folder.name


@dataclass(frozen=True)
class Sweep:
    """A sweep and its runs.

    Attributes:
        folder: Of the sweep.
        config: The sweep's file.
        search: The same for Optuna.
        runs: In the order in which they were taken up.
    """

    folder: Path
    config: Config
    search: Search
    runs: Sequence[SweepRun]

    @classmethod
    def of(cls, study: Study, work: SweepWork) -> Sweep:
        """Read the runs: of each slot the last attempt that has begun, but none that led to nothing."""
        found: dict[str, FrozenTrial] = {}
        for trial in study.get_trials(deepcopy=False):
            begun = trial.state in _STATES and len(trial.params) == len(work.search.space.parameters)
            if begun and (trial.state is not TrialState.FAIL or FAILURE in trial.user_attrs):
                found[trial.user_attrs[SLOT]] = trial
        runs = []
        for trial in found.values():
            folder = work.folder_of(trial.params)
            history = read_history(RunFolder(folder).metrics_csv, work.search.metric)
            values = work.search.space.flat(trial.params)
            failure = trial.user_attrs.get(FAILURE)
            runs.append(SweepRun(folder, dict(trial.params), values, _STATES[trial.state], history, failure))
        return cls(work.folder, work.config, work.search, runs)

    def comparable(self) -> tuple[Study, int] | None:
        """Return a study of all runs at the last validation that every one of them reached, and its step.

        Some runs were stopped early: their last scores can't be compared with those of others.

        Returns:
            None if there are fewer than three runs, or nothing differs between them.
        """
        scored = [run for run in self.runs if run.state != "failed" and run.history]
        if len(scored) < 3:
            return None
        reached = min(len(run.history) for run in scored) - 1
        names = [
            name for name in scored[0].params if len({json.dumps(run.params[name]) for run in scored}) > 1
        ]
        scores = [run.history[reached][1] for run in scored]
        if not names or len(set(scores)) < 2 or not all(abs(score) < float("inf") for score in scores):
            return None
        study = optuna.create_study(direction="maximize" if self.search.maximize else "minimize")
        for run, score in zip(scored, scores, strict=True):
            study.add_trial(
                optuna.trial.create_trial(
                    params={name: run.params[name] for name in names},
                    distributions={name: self.search.space.distributions[name] for name in names},
                    value=score,
                )
            )
        return study, scored[0].history[reached][0]
