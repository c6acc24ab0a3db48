"""Train many runs, each in a process of its own, and keep those that would only be repeated.

The run folders of a queue belong to it: a run is deleted and trained again when what it depends on
(`normnex_pl.data.scene.fingerprint`) has changed. The fingerprint is stored last, so that a run without one
never finished.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from queue import SimpleQueue

import torch

from normnex_pl.core.errors import UserError
from normnex_pl.data.scene.fingerprint import differences, fingerprint, read_fingerprint, write_fingerprint
from normnex_pl.evaluation.report import format_value
from normnex_pl.studies.comparison import Run, read_run
from normnex_pl.training.command import resolved_config
from normnex_pl.training.run_folder import RunFolder


@dataclass(frozen=True)
class RunSpec:
    """A run that is to exist in the end.

    Attributes:
        row: Its row of the table, which several seeds share.
        seed: Of its random numbers.
        scene: The scene's folder, which ``arguments`` name too.
        folder: The run folder, which ``arguments`` name too.
        arguments: Of ``normnex fit``.
    """

    row: str
    seed: int
    scene: Path
    folder: Path
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.row}, seed {self.seed}"


@dataclass
class RunQueue:
    """Train runs, one per GPU at a time.

    Attributes:
        workers: Runs at a time; 0 takes as many as there are GPUs, or one without any.
        report: Takes a line when a run starts, and when it ends.
    """

    workers: int = 0
    report: Callable[[str], None] = print
    _gpus: SimpleQueue[str | None] = field(default_factory=SimpleQueue, init=False)

    def run(self, specs: Sequence[RunSpec]) -> list[Run]:
        """Train what isn't there yet; a run that fails stops no other.

        Raises:
            UserError: The scene isn't there.
        """
        gpus: list[str | None] = [*visible_gpus()] or [None]
        workers = self.workers or len(gpus)
        for gpu in islice(cycle(gpus), workers):
            self._gpus.put(gpu)
        plans = [(spec, self._expected(spec)) for spec in specs]
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(self._finish, *zip(*plans, strict=True)))

    def _expected(self, spec: RunSpec) -> dict[str, str] | str:
        """Return the fingerprint that the finished run will have, or why it can't be run."""
        try:
            config = resolved_config(spec.arguments)
        except UserError as error:
            return str(error)
        return fingerprint(config, spec.scene)

    def _finish(self, spec: RunSpec, expected: dict[str, str] | str) -> Run:
        """Keep or train a run."""
        try:
            if isinstance(expected, str):
                raise UserError(expected)
            stored = read_fingerprint(RunFolder(spec.folder).fingerprint)
            changed = differences(stored, expected)
            if not changed:
                run = read_run(spec.row, spec.seed, spec.folder)
                self.report(f"{spec}: kept, {_scores(run)}")
                return run
            with self._gpu() as gpu:
                self.report(f"{spec}: {self._clear(spec.folder, changed if stored else [])}")
                run = _train(spec, gpu)
            self.report(f"{spec}: done, {_scores(run)}")
            self._seal(spec, expected)
            return run
        except UserError as error:
            self.report(f"{spec}: failed: {error}")
            return Run(spec.row, spec.seed, spec.folder, {}, " ".join(str(error).split()))

    @contextmanager
    def _gpu(self) -> Iterator[str | None]:
        gpu = self._gpus.get()
        try:
            yield gpu
        finally:
            self._gpus.put(gpu)

    def _clear(self, folder: Path, changed: Sequence[str]) -> str:
        """Remove what an earlier run left and say why the run trains."""
        if not folder.exists():
            return "trains"
        log = RunFolder(folder).log
        if any(folder.iterdir()) and not log.is_file():
            raise UserError(
                f"{folder}: expected a run of an earlier comparison ({log.name}), found something else. "
                "Choose another folder for the comparison (--out), or move this one away."
            )
        shutil.rmtree(folder)
        if changed:
            return f"trains anew, since of the stored run differs: {', '.join(changed)}"
        return "trains anew, since the stored run isn't finished"

    def _seal(self, spec: RunSpec, expected: dict[str, str]) -> None:
        """Store the fingerprint, unless sources or data were changed while the run was under way."""
        config = RunFolder(spec.folder).config.read_text(encoding="utf-8")
        changed = differences(expected, fingerprint(config, spec.scene))
        if changed:
            self.report(f"{spec}: will not be kept, since this changed meanwhile: {', '.join(changed)}")
        else:
            write_fingerprint(RunFolder(spec.folder).fingerprint, expected)


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


def _train(spec: RunSpec, gpu: str | None) -> Run:
    spec.folder.mkdir(parents=True)
    log = RunFolder(spec.folder).log
    status = launch(spec.arguments, log, gpu)
    if status:
        raise UserError(failure_in(log, status))
    return read_run(spec.row, spec.seed, spec.folder)


def failure_in(log: Path, status: int) -> str:
    """Return why a process failed, in a line.

    Args:
        log: All that it printed.
        status: Its exit status.
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
