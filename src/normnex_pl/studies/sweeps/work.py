"""A sweep's work: propose parameters, start the run that has them, look at its scores, stop it early."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from optuna.samplers import RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.studies.queue.board import REPEATED, SLOT, Outcome, Slot
from normnex_pl.studies.queue.logs import failure_in
from normnex_pl.studies.queue.work import Done, Job, Voided, Work
from normnex_pl.studies.sweeps.config import Config, Search, command_line
from normnex_pl.studies.sweeps.samplers import pruner, sampler
from normnex_pl.studies.sweeps.text import format_number, short_name
from normnex_pl.training.loggers.metrics_csv import read_history, read_rows
from normnex_pl.training.run_folder import RunFolder

_CLAIM = "slot.txt"  # in a run folder: the slot that has these parameters


def run_name(values: dict[str, Any]) -> str:
    """Return the name of the run with these values, and of its folder: a hash of them."""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def slots_of(search: Search) -> list[Slot]:
    """Return the runs of a sweep: combinations of a grid, or places for what is proposed later."""
    if search.method != "grid":
        return [Slot(f"{number:05d}") for number in range(search.count or 0)]
    distributions = search.space.distributions
    grid = search.space.grid()[: search.count]
    return [Slot(run_name(search.space.values(params)), params, distributions) for params in grid]


class SweepWork(Work):
    """The runs of a sweep.

    Args:
        study: Holds the trials.
        config: The sweep.
        search: The same for Optuna.
        folder: Of the sweep.
        seed: Of what is proposed.
    """

    def __init__(self, study: Study, config: Config, search: Search, folder: Path, seed: int = 0) -> None:
        self.study = study
        self.config = config
        self.search = search
        self.folder = folder
        self.seed = seed
        self._slots = slots_of(search)
        # Of trials under way: sizes of their logs, and how many scores the study has.
        self._sizes: dict[int, int] = {}
        self._known: dict[int, int] = {}
        study.pruner = pruner(search.halving)

    @property
    @override
    def slots(self) -> Sequence[Slot]:
        return self._slots

    def folder_of(self, params: dict[str, Any]) -> Path:
        """Return the run folder of what Optuna has proposed."""
        return self.folder / "runs" / run_name(self.search.space.values(params))

    @override
    def begin(self, trial: FrozenTrial) -> Job | Done | Voided:
        params = self._params(trial)
        values = self.search.space.values(params)
        folder = self.folder_of(params)
        begins = "goes on" if RunFolder(folder).log.exists() else "trains"
        if not self._has(folder, trial.user_attrs[SLOT]):
            return Voided(REPEATED)
        words = (*command_line(self.config, values), f"--folder={folder}")
        flat = self.search.space.flat(params)
        shown = ", ".join(f"{short_name(name)} {format_number(value)}" for name, value in flat.items())
        return Job(folder.name, words, folder, f"{begins} with {shown}")

    @override
    def watch(self, trial: FrozenTrial, job: Job) -> bool:
        """Report new scores as soon as they are written, and return whether to give the run up."""
        try:
            size = RunFolder(job.folder).metrics_csv.stat().st_size
        except OSError:  # nothing yet
            return False
        if size == self._sizes.get(trial._trial_id):
            return False
        self._sizes[trial._trial_id] = size
        return self._report_new(trial, job)

    @override
    def end(self, trial: FrozenTrial, job: Job, status: int) -> Outcome:
        if status:
            return Outcome(failure=failure_in(RunFolder(job.folder).log, status))
        self._report_new(trial, job)
        scores = [value for _, value in self._history(job) if math.isfinite(value)]
        if scores:
            return Outcome(value=(max if self.search.maximize else min)(scores))
        self._check_metric(job)
        return Outcome(failure=f"no finite {self.search.metric} (see {RunFolder(job.folder).log})")

    @override
    def described(self, job: Job, outcome: Outcome) -> str:
        if outcome.failure is not None:
            return f"failed, {outcome.failure}"
        history = self._history(job)
        return (
            f"{'stopped early' if outcome.pruned else 'finished'}, {self.search.metric} {history[-1][1]:.4g}"
        )

    def _report_new(self, trial: FrozenTrial, job: Job) -> bool:
        """Report the scores that the study doesn't have yet; return whether the run is to be given up."""
        known = self._known.setdefault(trial._trial_id, len(trial.intermediate_values))
        for number, (_, value) in enumerate(self._history(job)[known:], start=known + 1):
            self.study._storage.set_trial_intermediate_value(trial._trial_id, number, value)
            self._known[trial._trial_id] = number
            if self.search.halving is not None and Trial(self.study, trial._trial_id).should_prune():
                return True
        return False

    def _params(self, trial: FrozenTrial) -> dict[str, Any]:
        """Return the trial's parameters, and propose those that it hasn't yet."""
        names = {one.name for one in self.search.space.parameters}
        if names <= set(trial.params):
            return dict(trial.params)
        place = f"{trial.user_attrs[SLOT]}/{self._attempts(trial)}"
        self.study.sampler = sampler(self.search.method, self.seed, place)
        live = Trial(self.study, trial._trial_id)
        proposed = {one.name: one.suggest(live) for one in self.search.space.parameters}
        self.study.sampler = RandomSampler()  # one that does nothing when a trial is only looked at
        return proposed

    def _attempts(self, trial: FrozenTrial) -> int:
        slot = trial.user_attrs[SLOT]
        trials = self.study.get_trials(deepcopy=False)
        return sum(one.user_attrs.get(SLOT) == slot and one.number < trial.number for one in trials)

    def _has(self, folder: Path, slot: str) -> bool:
        """Return whether a slot has a run folder: no other slot runs in it, here or on another machine.

        Linking a file fails where there is one, on network file systems too.
        """
        folder.mkdir(parents=True, exist_ok=True)
        claim = folder / _CLAIM
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".slot-", encoding="utf-8") as mine:
            mine.write(slot)
            mine.flush()
            with suppress(FileExistsError):
                os.link(mine.name, claim)
        owner = claim.read_text(encoding="utf-8")
        return owner == slot or not self._is_owner(owner, folder)

    def _is_owner(self, slot: str, folder: Path) -> bool:
        """Return whether a slot really has these parameters: another study may have left the folder."""
        return any(
            one.user_attrs.get(SLOT) == slot
            and (one.state is not TrialState.FAIL)
            and {parameter.name for parameter in self.search.space.parameters} <= set(one.params)
            and self.folder_of(one.params) == folder
            for one in self.study.get_trials(deepcopy=False)
        )

    def _history(self, job: Job) -> list[tuple[int, float]]:
        return read_history(RunFolder(job.folder).metrics_csv, self.search.metric)

    def _check_metric(self, job: Job) -> None:
        """Raise a UserError if the run logs other things: then so do all."""
        logged = {name for row in read_rows(RunFolder(job.folder).metrics_csv) for name in row} - {"step"}
        if logged and self.search.metric not in logged:
            raise UserError(
                f"metric: expected the name of what runs log ({', '.join(sorted(logged))}), found "
                f"{self.search.metric}. Change it in the sweep's file; finished runs are kept."
            )
