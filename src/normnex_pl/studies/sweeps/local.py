"""Run a sweep on this machine: W&B's engine proposes, one run a GPU at a time, bad ones end early."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from normnex_pl.core.errors import STOPPED, RunStoppedError, UserError
from normnex_pl.studies.queue import failure_in, visible_gpus
from normnex_pl.studies.sweeps.config import command_line
from normnex_pl.studies.sweeps.engine import Engine
from normnex_pl.studies.sweeps.state import SweepRun, SweepState
from normnex_pl.training.run_folder import RunFolder

_PATIENCE = 60.0  # seconds that a run may take to save and leave


@dataclass
class _Process:
    """A run under way.

    Attributes:
        run: The run.
        process: The leader of a process group of its own, so that Ctrl-C reaches it through the sweep alone.
        gpu: Its name, or None.
        assessed: Length of its history when the engine last assessed it.
        told_at: When it was told to stop early, or None.
    """

    run: SweepRun
    process: subprocess.Popen[bytes]
    gpu: str | None
    assessed: int = 0
    told_at: float | None = None


@dataclass
class LocalSweep:
    """A sweep under way.

    Attributes:
        state: The runs so far, and where they are stored.
        engine: Proposes runs, and names those to stop.
        count: Runs in all; None takes as many as the engine proposes.
        jobs: Runs at a time; 0 takes as many as there are GPUs, or one without any.
        report: Takes a line when a run starts, and when it ends.
        ended: Called when a run has ended.
        every: Seconds between two looks at the runs.
    """

    state: SweepState
    engine: Engine
    count: int | None
    jobs: int = 0
    report: Callable[[str], None] = print
    ended: Callable[[], None] = lambda: None
    every: float = 1.0
    _under_way: list[_Process] = field(default_factory=list, init=False)
    _exhausted: bool = field(default=False, init=False)

    def go(self) -> None:
        """Start the missing runs and wait for them.

        Raises:
            UserError: Another process has this sweep under way.
            RunStoppedError: It was interrupted; the same call goes on.
        """
        gpus: list[str | None] = [*visible_gpus()] or [None]
        slots = self.jobs or len(gpus)
        free = [gpus[place % len(gpus)] for place in range(slots)]
        waiting = [run for run in self.state.runs if run.state == "running"]
        with _sole(self.state.folder) as lock, _interruptible():
            try:
                while True:
                    free += self._collect()
                    self._stop_early()
                    while free and (run := self._next(waiting)):
                        self._start(run, free.pop(0), lock)
                    if not self._under_way:
                        return
                    time.sleep(self.every)
            finally:
                self._leave()

    def _next(self, waiting: list[SweepRun]) -> SweepRun | None:
        """Return a run that was interrupted, or a new one."""
        if waiting:
            return waiting.pop(0)
        if self._exhausted or (self.count is not None and len(self.state.runs) >= self.count):
            return None
        values = self.engine.next_values(self.state.config, self.state.for_engine())
        if values is None:
            self._exhausted = True
            return None
        return self.state.add(values)

    def _start(self, run: SweepRun, gpu: str | None, lock: int) -> None:
        self.state.save()  # first: what has begun is never proposed twice
        folder = self.state.folder_of(run)
        goes_on = folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        words = [*command_line(self.state.config, run.values), f"--folder={folder}"]
        environment = os.environ | ({} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu})
        with RunFolder(folder).log.open("ab") as output:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                pass_fds=(lock,),
            )
        self._under_way.append(_Process(run, process, gpu))
        self.report(f"{run.name}: {'goes on' if goes_on else 'trains'}")

    def _collect(self) -> list[str | None]:
        """Note which runs have ended, and return the GPUs that they leave free."""
        over = [one for one in self._under_way if one.process.poll() is not None]
        for one in over:
            self._under_way.remove(one)
            self._note(one)
            self.state.save()
            self.ended()
        return [one.gpu for one in over]

    def _note(self, one: _Process) -> None:
        """Note how a run ended; one that was stopped from outside is left for the next call."""
        run, status = one.run, one.process.returncode
        if one.told_at is not None:
            run.state = "stopped"
        elif status == 0 and self.state.history(run):
            run.state = "finished"
        elif status == STOPPED:
            self.report(f"{run.name}: interrupted")
            return
        else:
            log = RunFolder(self.state.folder_of(run)).log
            name = self.state.config["metric"]["name"]
            run.failure = f"no {name} in metrics.csv (see {log})" if status == 0 else failure_in(log, status)
            run.state = "failed"
        shown = run.failure or f"{self.state.config['metric']['name']} {self.state.history(run)[-1][1]:.4g}"
        self.report(f"{run.name}: {run.state}, {shown}")

    def _stop_early(self) -> None:
        """Stop the runs that the engine gives up; those that don't react in time are killed."""
        for one in self._under_way:
            if one.told_at is not None and time.monotonic() - one.told_at > _PATIENCE:
                _signal(one.process, signal.SIGKILL)
        lengths = {id(one): len(self.state.history(one.run)) for one in self._under_way}
        news = [one for one in self._under_way if lengths[id(one)] > one.assessed and one.told_at is None]
        if not news or "early_terminate" not in self.state.config:
            return
        given_up = set(self.engine.to_stop(self.state.config, self.state.for_engine()))
        for one in news:
            one.assessed = lengths[id(one)]
            if one.run.name in given_up and one.process.poll() is None:
                one.told_at = time.monotonic()
                _signal(one.process, signal.SIGTERM)

    def _leave(self) -> None:
        """Have the runs under way save their checkpoints and end; they go on with the next call."""
        for one in self._under_way:
            _signal(one.process, signal.SIGTERM)
        for one in self._under_way:
            try:
                one.process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                _signal(one.process, signal.SIGKILL)
                one.process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to a run and the processes that it has started."""
    if process.poll() is None:
        os.killpg(process.pid, number)


@contextmanager
def _sole(folder: Path) -> Iterator[int]:
    """Hold the sweep's lock, which its runs inherit, so that no other process works on the sweep."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "sweep.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError(
                f"{folder}: expected a sweep that nobody else runs, found one that is under way, or runs "
                "that it has left behind. Wait until they end, or end them."
            ) from error
        yield file.fileno()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Turn SIGINT and SIGTERM, from the user or from a cluster, into a `RunStoppedError`."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise RunStoppedError(
            f"Stopped by {signal.Signals(number).name}. The same command goes on from here."
        )

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
