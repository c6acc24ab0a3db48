"""Leases of trials: who works on one gives signs of life; who gives none for a while loses it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from optuna.trial import FrozenTrial

BEAT = "beat"


class Leases:
    """Find the trials whose workers are dead.

    Clocks of different machines are never compared: a lease has run out when the worker that looks has seen
    the same sign of life for that long, by its own clock.

    Args:
        lease: Seconds.
        clock: Seconds that never go back.
    """

    def __init__(self, lease: float, clock: Callable[[], float]) -> None:
        self._lease = lease
        self._clock = clock
        self._seen: dict[int, tuple[Any, float]] = {}

    def expired(self, running: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Return those of the running trials that gave no new sign of life since the lease began."""
        now = self._clock()
        before, self._seen = self._seen, {}
        found = []
        for trial in running:
            sign = trial.user_attrs.get(BEAT)
            last, since = before.get(trial._trial_id, (None, now))
            if last != sign:
                since = now
            self._seen[trial._trial_id] = (sign, since)
            if now - since > self._lease:
                found.append(trial)
        return found
