"""What a worker does with a trial: a sweep and a comparison each say it in their own way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from optuna.trial import FrozenTrial

from normnex_pl.studies.queue.board import Outcome, Slot


@dataclass(frozen=True)
class Job:
    """A run that a trial stands for.

    Attributes:
        name: For lines that people read.
        words: The program and its arguments.
        folder: The run folder.
        begins: How it starts, in a line.
    """

    name: str
    words: tuple[str, ...]
    folder: Path
    begins: str = "trains"


@dataclass(frozen=True)
class Done:
    """A trial whose end is known without a run.

    Attributes:
        outcome: Its end.
        said: The same in a line.
    """

    outcome: Outcome
    said: str


@dataclass(frozen=True)
class Voided:
    """A trial that needs no run and has no result of its own.

    Attributes:
        reason: Of `normnex_pl.studies.queue.board`.
    """

    reason: str


class Work(ABC):
    """The runs of a study, and what becomes of each."""

    @property
    @abstractmethod
    def slots(self) -> Sequence[Slot]:
        """The runs that are to exist."""

    @abstractmethod
    def begin(self, trial: FrozenTrial) -> Job | Done | Voided:
        """Return the run to start, or the end of the trial if there is nothing to run."""

    @abstractmethod
    def watch(self, trial: FrozenTrial, job: Job) -> bool:
        """Look at a run under way, and return whether to stop it early.

        Raises:
            UpdateFinishedTrialError: Another worker has taken the trial over.
        """

    @abstractmethod
    def end(self, trial: FrozenTrial, job: Job, status: int) -> Outcome:
        """Return the end of a trial whose run has ended with a status; it may be asked twice.

        Raises:
            UserError: The study can't be worked on; what the run has done stays.
            UpdateFinishedTrialError: Another worker has taken the trial over.
        """

    @abstractmethod
    def described(self, job: Job, outcome: Outcome) -> str:
        """Return how a run ended, in a line."""
