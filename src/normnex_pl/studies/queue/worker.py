"""A worker: takes trials from the board, one a GPU at a time, and runs them until none is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial

from normnex_pl.core.errors import STOPPED, RunStoppedError, UserError
from normnex_pl.studies.queue.board import GIVEN_BACK, Board, Outcome
from normnex_pl.studies.queue.processes import SILENCE, RunProcess, visible_gpus
from normnex_pl.studies.queue.signals import StopRequest
from normnex_pl.studies.queue.storage import STORAGE_ERRORS
from normnex_pl.studies.queue.work import Done, Job, Voided, Work
from normnex_pl.training.run_folder import RunFolder

LEASE = 60.0  # seconds
_PATIENCE = 60.0  # seconds that a run may take to save and leave
_BEATS = 12  # in a lease
_SELDOM = 10.0  # seconds
_IDLE = 1.0  # seconds between two looks at a board with nothing to take


@dataclass
class _UnderWay:
    """A run under way.

    Attributes:
        trial: Stands for it.
        job: The run.
        process: Of the run.
        gpu: Its name, or None.
        over: Whether the trial has its end already, and the process is only waited for.
        doubtful: Whether this worker was silent for so long that the process may have been ended for that.
        deadline: When a process that was asked to end is ended.
    """

    trial: FrozenTrial
    job: Job
    process: RunProcess
    gpu: str | None
    over: bool = False
    doubtful: bool = False
    deadline: float | None = None

    def ask_to_end(self) -> None:
        self.process.ask_to_end()
        self.deadline = time.monotonic() + _PATIENCE


@dataclass
class Worker:
    """Work on a study until it is finished, beside any number of other workers.

    Attributes:
        board: Of the study.
        work: What its trials are.
        jobs: Runs at a time; 0 takes as many as there are GPUs, or one without any.
        report: Takes a line when a run starts, and when it ends.
        ended: Called when a run has ended, but not more often than every ten seconds.
        every: Seconds between two looks at the runs.
    """

    board: Board
    work: Work
    jobs: int = 0
    report: Callable[[str], None] = print
    ended: Callable[[], None] = lambda: None
    every: float = 0.05
    _runs: list[_UnderWay] = field(default_factory=list, init=False)
    _free: list[str | None] = field(default_factory=list, init=False)
    _look_at: float = field(default=0.0, init=False)
    _beat_at: float = field(default=0.0, init=False)
    _lived_at: float = field(default=0.0, init=False)
    _tell_at: float = field(default=0.0, init=False)

    def go(self) -> None:
        """Take trials until none waits and none is worked on, by whomever.

        Raises:
            RunStoppedError: The worker was told to stop, and has given back what it had.
            UserError: The storage can't be reached any more, or the study can't be worked on.
        """
        gpus: list[str | None] = [*visible_gpus()] or [None]
        self._free = [gpus[place % len(gpus)] for place in range(self.jobs or len(gpus))]
        reached = time.monotonic()
        with StopRequest() as stop:
            try:
                while not stop.received:
                    try:
                        if self._tick():
                            return
                        reached = time.monotonic()
                    except STORAGE_ERRORS as error:
                        if time.monotonic() - reached > self.board.lease / 3:
                            raise UserError(
                                "expected the study's storage and its folder, found that one can't be used "
                                f"any more ({' '.join(str(error).split())[:200]}). The same command goes on."
                            ) from error
                    time.sleep(self.every)
            finally:
                self._leave()
        raise RunStoppedError(f"Stopped by {stop.received}. The same command goes on from here.")

    def _tick(self) -> bool:
        """Look at everything once; return whether all is done."""
        self._live()
        for run in list(self._runs):
            try:
                self._attend(run)
            except UpdateFinishedTrialError:  # taken away since the last sign of life
                self._let_go(run)
        if not self._free or time.monotonic() < self._look_at:
            return False
        if self._start_next():
            return False
        self._look_at = time.monotonic() + _IDLE
        for lost in self.board.take_back_lost():
            self.report(f"trial {lost.number}: its worker gives no sign of life, taken over")
        self.board.fill()
        return not self._runs and self.board.is_settled()

    def _live(self) -> None:
        """Tell the guards and the other workers, now and then, that this one lives."""
        now = time.monotonic()
        if now < self._beat_at:
            return
        silent = now - self._lived_at > self.board.lease * SILENCE
        self._lived_at = now
        for run in self._runs:
            run.doubtful = run.doubtful or silent
            run.process.live()
            if not run.over and not self.board.beat(run.trial):
                self._let_go(run)
        self._beat_at = time.monotonic() + self.board.lease / _BEATS

    def _let_go(self, run: _UnderWay) -> None:
        """Leave a run to the worker that has taken it over."""
        self.report(f"{run.job.name}: taken over by another worker")
        run.over = True
        run.process.close()

    def _start_next(self) -> bool:
        """Take a trial; False if there is none."""
        trial = self.board.claim()
        if trial is None:
            return False
        try:
            begun = self.work.begin(trial)
            if isinstance(begun, Voided):
                self.board.void(trial, begun.reason)
            elif isinstance(begun, Done):
                self.board.finish(trial, begun.outcome)
                self.report(begun.said)
            else:
                self._start(trial, begun)
        except (OSError, UserError):
            self.board.void(trial, GIVEN_BACK)
            raise
        return True

    def _start(self, trial: FrozenTrial, job: Job) -> None:
        job.folder.mkdir(parents=True, exist_ok=True)
        process = RunProcess(job.words, RunFolder(job.folder).log, self._free[0], self.board.lease)
        self._runs.append(_UnderWay(trial, job, process, self._free.pop(0)))
        self.report(f"{job.name}: {job.begins}")

    def _attend(self, run: _UnderWay) -> None:
        """Note the end of a run, or look at how it gets on."""
        status = run.process.status
        if status is not None:
            if not run.over:
                self._note_end(run, status)
            self._forget(run)
        elif run.deadline is not None and time.monotonic() > run.deadline:
            run.process.close()
        elif not run.over and run.deadline is None and self.work.watch(run.trial, run.job):
            pruned = Outcome(pruned=True)
            self.board.finish(run.trial, pruned)  # first: so it stays, whatever happens to this worker
            run.over = True
            run.ask_to_end()
            self.report(f"{run.job.name}: {self.work.described(run.job, pruned)}")

    def _note_end(self, run: _UnderWay, status: int) -> None:
        if status == STOPPED or (status and run.doubtful):
            self._return(run)
            return
        try:
            outcome = self.work.end(run.trial, run.job, status)
        except UserError:  # the study can't be worked on: what this run has done stays for the next call
            self._return(run)
            run.over = True
            raise
        if self.board.finish(run.trial, outcome):
            self.report(f"{run.job.name}: {self.work.described(run.job, outcome)}")

    def _forget(self, run: _UnderWay) -> None:
        run.process.end()
        self._runs.remove(run)
        self._free.append(run.gpu)
        self._look_at = 0.0
        if time.monotonic() > self._tell_at:
            self.ended()
            self._tell_at = time.monotonic() + _SELDOM

    def _leave(self) -> None:
        """Have the runs under way save their checkpoints and end, and give their trials back."""
        for run in self._runs:
            run.ask_to_end()
        limit = time.monotonic() + _PATIENCE
        while self._runs and time.monotonic() < limit:
            try:
                self._live()
                for run in [one for one in self._runs if one.process.status is not None]:
                    self._give_back(run)
                    self._runs.remove(run)
            except STORAGE_ERRORS:  # the trials are taken over when their leases have run out
                break
            time.sleep(self.every)
        for run in self._runs:
            run.process.end()

    def _give_back(self, run: _UnderWay) -> None:
        """Store the end of a run that has come to it meanwhile; return any other."""
        status = run.process.status
        assert status is not None
        run.process.end()
        if run.over:
            return
        with suppress(UserError, UpdateFinishedTrialError):
            self._note_end(run, status if status == 0 else STOPPED)

    def _return(self, run: _UnderWay) -> None:
        """Let another worker, or the next call, go on with a run."""
        self.board.void(run.trial, GIVEN_BACK)
        self.board.fill()
        self.report(f"{run.job.name}: interrupted, given back")
