"""Train many runs, each in a process of its own, and keep those that would only be repeated.

A run folder of a batch belongs to the batch: it is deleted and trained again when what it depends on
(`normnex_pl.data.scene.fingerprint`) isn't what it was. The fingerprint is stored last, so that a run without
one never finished.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from queue import SimpleQueue

import torch

from normnex_pl.cli.main import main
from normnex_pl.core.errors import UserError
from normnex_pl.data.scene.fingerprint import differences, fingerprint, read_fingerprint, write_fingerprint
from normnex_pl.evaluation.report import format_value
from normnex_pl.studies.comparison import Run, read_run
from normnex_pl.training.run_folder import RunFolder


@dataclass(frozen=True)
class Job:
    """A run that shall exist in the end.

    Attributes:
        row: What it is called; several seeds share it.
        seed: Of its random numbers.
        scene: The scene's folder, which ``arguments`` name too.
        folder: The run folder, which ``arguments`` name too.
        arguments: Behind ``normnex fit``.
    """

    row: str
    seed: int
    scene: Path
    folder: Path
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.row}, seed {self.seed}"


@dataclass
class Batch:
    """Train jobs, one a GPU at a time.

    Attributes:
        workers: Runs at a time; 0 takes as many as there are GPUs, or one without any.
        report: Where a line a run goes when it starts and when it ends.
    """

    workers: int = 0
    report: Callable[[str], None] = print
    _gpus: SimpleQueue[str | None] = field(default_factory=SimpleQueue, init=False)

    def run(self, jobs: Sequence[Job]) -> list[Run]:
        """Train what has to be trained; a job that fails stops no other.

        Raises:
            UserError: The scene isn't there.
        """
        gpus: list[str | None] = [*visible_gpus()] or [None]
        workers = self.workers or len(gpus)
        for gpu in islice(cycle(gpus), workers):
            self._gpus.put(gpu)
        # One after another: what the command line prints is caught for the whole process.
        plans = [(job, self._expected(job)) for job in jobs]
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(self._finish, *zip(*plans, strict=True)))

    def _expected(self, job: Job) -> dict[str, str] | str:
        """Return the fingerprint that the finished run will have, or why it can't be run."""
        try:
            config = resolved_config(job.arguments)
        except UserError as error:
            return str(error)
        return fingerprint(config, job.scene)

    def _finish(self, job: Job, expected: dict[str, str] | str) -> Run:
        """Keep or train a run."""
        try:
            if isinstance(expected, str):
                raise UserError(expected)
            stored = read_fingerprint(RunFolder(job.folder).fingerprint)
            changed = differences(stored, expected)
            if not changed:
                run = read_run(job.row, job.seed, job.folder)
                self.report(f"{job}: kept, {_scores(run)}")
                return run
            with self._gpu() as gpu:
                self.report(f"{job}: {self._clear(job.folder, changed if stored else [])}")
                run = _train(job, gpu)
            self.report(f"{job}: done, {_scores(run)}")
            self._seal(job, expected)
            return run
        except UserError as error:
            self.report(f"{job}: failed: {error}")
            return Run(job.row, job.seed, job.folder, {}, " ".join(str(error).split()))

    @contextmanager
    def _gpu(self) -> Iterator[str | None]:
        gpu = self._gpus.get()
        try:
            yield gpu
        finally:
            self._gpus.put(gpu)

    def _clear(self, folder: Path, changed: Sequence[str]) -> str:
        """Remove what an earlier run left and say why the job trains."""
        if not folder.exists():
            return "trains"
        log = RunFolder(folder).log
        if any(folder.iterdir()) and not log.is_file():
            raise UserError(
                f"{folder}: expected a run of an earlier comparison ({log.name}), found something else. "
                "Choose another folder for the comparison (OUT=...), or move this one away."
            )
        shutil.rmtree(folder)
        if changed:
            return f"trains anew, since of the stored run differs: {', '.join(changed)}"
        return "trains anew, since the stored run isn't finished"

    def _seal(self, job: Job, expected: dict[str, str]) -> None:
        """Store the fingerprint, unless sources or data were changed while the run was under way."""
        config = RunFolder(job.folder).config.read_text(encoding="utf-8")
        changed = differences(expected, fingerprint(config, job.scene))
        if changed:
            self.report(f"{job}: will not be kept, since this changed meanwhile: {', '.join(changed)}")
        else:
            write_fingerprint(RunFolder(job.folder).fingerprint, expected)


def resolved_config(arguments: Sequence[str]) -> str:
    """Return all settings of ``normnex fit`` as YAML, without doing anything.

    Raises:
        UserError: The command line refuses them.
    """
    output, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        try:
            main(["fit", *arguments, "--print_config"])
        except SystemExit as end:
            if end.code:
                raise UserError(_reason(errors.getvalue())) from end
    return output.getvalue()


def visible_gpus() -> list[str]:
    """Return the GPUs as CUDA_VISIBLE_DEVICES calls them."""
    count = torch.cuda.device_count()
    names = os.environ.get("CUDA_VISIBLE_DEVICES")
    return names.split(",")[:count] if names else [str(number) for number in range(count)]


def launch(arguments: Sequence[str], log: Path, gpu: str | None) -> int:
    """Run ``normnex fit`` in a process of its own and return its status; all its text goes to ``log``."""
    environment = os.environ | ({} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu})
    command = [sys.executable, "-m", "normnex_pl", "fit", *arguments]
    with log.open("wb") as output:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            check=False,
        ).returncode


def _train(job: Job, gpu: str | None) -> Run:
    job.folder.mkdir(parents=True)
    log = RunFolder(job.folder).log
    status = launch(job.arguments, log, gpu)
    if status:
        raise UserError(failure_in(log, status))
    return read_run(job.row, job.seed, job.folder)


def failure_in(log: Path, status: int) -> str:
    """Why a process failed, in a line.

    Args:
        log: All that it has said.
        status: That it ended with.
    """
    text = log.read_text(encoding="utf-8", errors="replace")
    signal = f"killed by signal {-status}. " if status < 0 else ""
    return f"{signal}{_reason(text)} (status {status}, see {log})"


def _reason(text: str) -> str:
    """Return the message of a refusal in one line, or the last line of whatever else was said."""
    lines = [line for line in text.splitlines() if line.strip()]
    starts = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    told = lines[starts[-1] :] if starts else lines[-1:]
    return " ".join(" ".join(told).split()).removeprefix("error: ") or "nothing was said"


def _scores(run: Run) -> str:
    values = run.values
    return f"PSNR {format_value(values['psnr'], 2)}, {format_value(values['train_seconds'], 0)} s of training"
