"""The state of a queue: which runs wait, which are worked on, which are done, as trials of an Optuna study.

A *slot* is a run that is to exist once. Each attempt at it is a trial with the slot's key; at most one of
them ends with a result. All of this is safe with any number of workers at the same time, and with workers
that die anywhere in between, without a lock: a trial changes from waiting to running, and from running to its
end, once and for one worker alone, in each of Optuna's storages; all else can be repeated.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from normnex_pl.studies.queue.leases import BEAT, Leases

SLOT, FAILURE, VOID = "slot", "failure", "void"
# Why an attempt has no result. Of the first two, the next one goes on with the same parameters.
GIVEN_BACK, LOST, REPEATED, REDUNDANT = "given back", "lost", "repeated", "redundant"
MOST_REPEATS = 10  # attempts of a slot that propose what another one has
_UNDER_WAY = (TrialState.WAITING, TrialState.RUNNING)
_FAILURES = 4  # trials that others have taken, after which it is time to read again


@dataclass(frozen=True)
class Slot:
    """A run that is to exist once.

    Attributes:
        key: Its name within the study.
        params: Its parameters; empty if they are proposed when a worker takes it.
        distributions: Of the parameters.
    """

    key: str
    params: Mapping[str, Any] = field(default_factory=dict)
    distributions: Mapping[str, BaseDistribution] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """The end of a trial: one of the three.

    Attributes:
        value: Its score.
        pruned: Whether it was stopped early.
        failure: Why it failed, in a line.
    """

    value: float | None = None
    pruned: bool = False
    failure: str | None = None


class Board:
    """A worker's view of the queue.

    Args:
        study: Holds the trials.
        slots: The runs that are to exist; trials of others are left alone.
        lease: Seconds after which a trial whose worker gives no sign of life is taken over.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        study: Study,
        slots: Sequence[Slot],
        lease: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.study = study
        self.lease = lease
        self.worker = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:6]}"
        self._slots = {slot.key: slot for slot in slots}
        self._storage = study._storage
        self._leases = Leases(lease, clock)
        self._beats = 0
        # As last read: trials that nobody had taken, and all attempts by their slots.
        self._waiting: list[FrozenTrial] = []
        self._attempts: dict[str, list[FrozenTrial]] = defaultdict(list)

    def trials(self) -> list[FrozenTrial]:
        """Return all attempts at the slots, in the order of their creation."""
        found = self._storage.get_all_trials(self.study._study_id, deepcopy=False)
        mine = [trial for trial in found if trial.user_attrs.get(SLOT) in self._slots]
        return sorted(mine, key=lambda trial: trial.number)

    def fill(self, retry: bool = False) -> None:
        """Enqueue each slot that has neither a result nor an attempt under way.

        Args:
            retry: Whether those that have failed are tried again.
        """
        attempts: dict[str, list[FrozenTrial]] = defaultdict(list)
        for trial in self.trials():
            attempts[trial.user_attrs[SLOT]].append(trial)
        for key, slot in self._slots.items():
            if not any(_stands(trial, retry) for trial in attempts[key]) and not _exhausted(attempts[key]):
                self.study.add_trial(_attempt(slot, attempts[key]))

    def claim(self) -> FrozenTrial | None:
        """Take a waiting trial; None if there is none."""
        return self._claim_known() or self._claim_new()

    def _claim_new(self) -> FrozenTrial | None:
        self._look()
        return self._claim_known()

    def _claim_known(self) -> FrozenTrial | None:
        """Take one of the trials that waited when the board was last read."""
        failures = 0
        while self._waiting and failures < _FAILURES:
            trial = self._waiting.pop(0)
            if not self._take(trial):
                failures += 1
            elif self.beat(trial) and not self._is_redundant(trial):
                return trial
            else:
                self.void(trial, REDUNDANT)
        return None

    def _look(self) -> None:
        """Read which trials wait, and begin elsewhere than other workers, where there are some."""
        trials = self.trials()
        waiting = [trial for trial in trials if trial.state is TrialState.WAITING]
        alone = not any(trial.state is TrialState.RUNNING for trial in trials)
        place = 0 if alone or not waiting else zlib.crc32(self.worker.encode()) % len(waiting)
        self._waiting = waiting[place:] + waiting[:place]
        self._attempts = defaultdict(list)
        for trial in trials:
            self._attempts[trial.user_attrs[SLOT]].append(trial)

    def beat(self, trial: FrozenTrial) -> bool:
        """Give a sign of life; False if the trial has been taken away."""
        self._beats += 1
        sign = {"worker": self.worker, "number": self._beats, "time": round(time.time(), 1)}
        try:
            self._storage.set_trial_user_attr(trial._trial_id, BEAT, sign)
        except UpdateFinishedTrialError:
            return False
        return True

    def take_back_lost(self) -> list[FrozenTrial]:
        """End the trials of workers that have died, and return them; `fill` enqueues their slots again."""
        running = [trial for trial in self.trials() if trial.state is TrialState.RUNNING]
        return [trial for trial in self._leases.expired(running) if self.void(trial, LOST)]

    def void(self, trial: FrozenTrial, reason: str) -> bool:
        """End an attempt without a result; False if it has ended already."""
        return self._end(trial, TrialState.FAIL, {VOID: reason})

    def finish(self, trial: FrozenTrial, outcome: Outcome) -> bool:
        """Store the end of a trial; False if it has been taken away meanwhile."""
        if outcome.failure is not None:
            return self._end(trial, TrialState.FAIL, {FAILURE: outcome.failure})
        state = TrialState.PRUNED if outcome.pruned else TrialState.COMPLETE
        return self._end(trial, state, {}, outcome.value)

    def is_settled(self) -> bool:
        """Return whether no trial waits or is worked on, by whomever."""
        return not any(trial.state in _UNDER_WAY for trial in self.trials())

    def _take(self, trial: FrozenTrial) -> bool:
        try:
            return bool(self._storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING))
        except UpdateFinishedTrialError:
            return False

    def _end(
        self, trial: FrozenTrial, state: TrialState, attrs: Mapping[str, str], value: float | None = None
    ) -> bool:
        try:
            for name, text in attrs.items():
                self._storage.set_trial_user_attr(trial._trial_id, name, text)
            return bool(
                self._storage.set_trial_state_values(
                    trial._trial_id, state, None if value is None else [value]
                )
            )
        except UpdateFinishedTrialError:
            return False

    def _is_redundant(self, trial: FrozenTrial) -> bool:
        """Return whether an earlier attempt at the slot stands.

        Two workers may enqueue a slot at the same moment. The later trial gives way: its worker has seen the
        earlier one, since trials get their numbers one after the other, and looks at it again only now that
        its own trial is a running one.
        """
        slot = trial.user_attrs[SLOT]
        earlier = [other for other in self._attempts[slot] if other.number < trial.number]
        states = [self._storage.get_trial(other._trial_id).state for other in earlier]
        return any(state is not TrialState.FAIL for state in states)


def _stands(trial: FrozenTrial, retry: bool) -> bool:
    """Return whether an attempt makes another one needless."""
    if trial.state is not TrialState.FAIL:
        return True
    return FAILURE in trial.user_attrs and not retry


def _exhausted(attempts: Sequence[FrozenTrial]) -> bool:
    """Return whether nothing new was proposed so often that there is probably nothing."""
    return sum(trial.user_attrs.get(VOID) == REPEATED for trial in attempts) >= MOST_REPEATS


def _attempt(slot: Slot, attempts: Sequence[FrozenTrial]) -> FrozenTrial:
    """Return a waiting trial, which goes on where an interrupted one has ended."""
    attrs = {SLOT: slot.key}
    before = next((one for one in reversed(attempts) if one.params), None)
    if before is None or before.user_attrs.get(VOID) == REPEATED:
        return create_trial(
            state=TrialState.WAITING,
            params=dict(slot.params),
            distributions=dict(slot.distributions),
            user_attrs=attrs,
        )
    failed = FAILURE in before.user_attrs
    return create_trial(
        state=TrialState.WAITING,
        params=before.params,
        distributions=before.distributions,
        user_attrs=attrs,
        # Steps that it passed on the way, so that none is judged twice.
        system_attrs={} if failed else before.system_attrs,
        intermediate_values={} if failed else before.intermediate_values,
    )
