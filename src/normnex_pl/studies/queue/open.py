"""Open a study: create it, or join the workers that are at it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage
from optuna.study import Study, StudyDirection
from optuna.trial import TrialState

from normnex_pl.core.errors import UserError
from normnex_pl.training.run_identity import first_difference

_ABOUT = "about"
_UNFINISHED = (TrialState.WAITING, TrialState.FAIL)


def open_study(
    storage: BaseStorage,
    name: str,
    about: Mapping[str, Any],
    maximize: bool,
    fill: Callable[[Study], None],
    patience: float,
) -> Study:
    """Open a study by its name.

    Who creates it enqueues its runs and describes it last; others wait for that.

    Args:
        storage: Holds it.
        name: Of the study.
        about: What its runs are made of, as JSON has it: scene, configuration, settings.
        maximize: Whether more is better.
        fill: Enqueues the runs of a new study.
        patience: Seconds without a word from the worker that creates it, after which that one counts as dead.

    Raises:
        UserError: There is a study of this name about something else.
    """
    try:
        direction = StudyDirection.MAXIMIZE if maximize else StudyDirection.MINIMIZE
        study = optuna.create_study(storage=storage, study_name=name, direction=direction)
    except DuplicatedStudyError:
        study = optuna.load_study(study_name=name, storage=storage)
        stored = _described(study, patience)
        if stored is not None and (difference := first_difference(stored, dict(about))):
            if any(trial.state not in _UNFINISHED for trial in study.get_trials(deepcopy=False)):
                raise UserError(
                    f"{name}: expected a new study or the same one again, found another one of this name "
                    f"({difference}). Choose another folder (--out), or delete it."
                ) from None
            # Nothing has a result, as after a mistake in the file: begin anew.
            optuna.delete_study(study_name=name, storage=storage)
            return open_study(storage, name, about, maximize, fill, patience)
        if stored is not None:
            return study
    fill(study)
    study.set_user_attr(_ABOUT, dict(about))
    return study


def _described(study: Study, patience: float) -> dict[str, Any] | None:
    """Wait for the description of a study that another worker creates; None if that one has died."""
    # Not all at once: who fills it first keeps the others waiting.
    patience *= random.uniform(1, 2)
    limit, before = time.monotonic() + patience, -1
    while time.monotonic() < limit:
        stored: dict[str, Any] | None = study.user_attrs.get(_ABOUT)
        if stored is not None:
            return stored
        if (count := len(study.get_trials(deepcopy=False))) != before:
            limit, before = time.monotonic() + patience, count
        time.sleep(0.1)
    return None
