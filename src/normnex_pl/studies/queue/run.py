"""Open a study and work on it, as one of many workers or alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from optuna.study import Study

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import folder_name
from normnex_pl.studies.queue.board import Board
from normnex_pl.studies.queue.open import open_study
from normnex_pl.studies.queue.storage import open_storage
from normnex_pl.studies.queue.work import Work
from normnex_pl.studies.queue.worker import LEASE, Worker

_W = TypeVar("_W", bound=Work)


@dataclass(frozen=True)
class QueueOptions:
    """Where a queue is stored, and what this process does of it.

    Attributes:
        jobs: Runs at a time; by default one per GPU, or one.
        storage: Where the queue is stored: the path of a file, or postgresql://user@host/database; by default
            a file in the folder. Workers that name the same one share the runs.
        worker: Only take runs from the queue, as one of many; failed runs aren't tried again.
        lease: Seconds after which the run of a worker that gives no sign of life is taken over.
    """

    jobs: int = 0
    storage: str | None = None
    worker: bool = False
    lease: float = LEASE

    def __post_init__(self) -> None:
        """Raise a UserError if a number is out of range."""
        if self.jobs < 0 or self.lease <= 0:
            raise UserError("--jobs, --lease: expected no negative number of jobs, and a positive time.")


@dataclass(frozen=True)
class Topic:
    """What a study is about.

    Attributes:
        about: What its runs are made of, as JSON has it.
        maximize: Whether more is better.
    """

    about: Mapping[str, Any]
    maximize: bool = True


def study_name(folder: Path, options: QueueOptions) -> str:
    """Return the name of a folder's study.

    Beside its runs, it has the folder's name: workers may address the folder in different ways. In a storage
    that other folders use too, it has the folder's path, as it was typed.
    """
    return folder_name(folder) if options.storage is None else folder.as_posix()


@contextmanager
def work_on(
    topic: Topic,
    work_of: Callable[[Study], _W],
    folder: Path,
    options: QueueOptions,
    report: Callable[[str], None],
    ended: Callable[[Study, _W], None] = lambda study, work: None,
) -> Iterator[tuple[Study, _W]]:
    """Work on a study until it is finished, and yield it with its runs, to be looked at.

    Args:
        topic: What the study is about.
        work_of: Returns its runs.
        folder: Of the runs, where the study is stored unless the options name another place.
        options: Of the user.
        report: Takes a line when something happens to a run.
        ended: Called when a run has ended.

    Raises:
        UserError: The storage can't be used, or holds another study of this name.
        RunStoppedError: It was told to stop; the same call goes on.
    """
    with open_storage(options.storage, folder, options.lease) as storage:
        study = open_study(
            storage,
            study_name(folder, options),
            topic.about,
            topic.maximize,
            lambda new: Board(new, work_of(new).slots, options.lease).fill(),
            options.lease,
        )
        work = work_of(study)
        board = Board(study, work.slots, options.lease)
        if not options.worker:
            board.fill(retry=True)
        Worker(board, work, options.jobs, report, lambda: ended(study, work)).go()
        yield study, work
