"""The process of a run, which ends with its worker."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch

from normnex_pl.studies.queue import guard


def visible_gpus() -> list[str]:
    """Return the GPUs as CUDA_VISIBLE_DEVICES calls them."""
    count = torch.cuda.device_count()
    names = os.environ.get("CUDA_VISIBLE_DEVICES")
    return names.split(",")[:count] if names else [str(number) for number in range(count)]


SILENCE = 0.5  # of a lease: a worker that says nothing for so long loses its processes


class RunProcess:
    """A run under way; `normnex_pl.studies.queue.guard` ends it when its worker is gone.

    Args:
        words: The program and its arguments.
        log: Takes all that it prints, after what it holds.
        gpu: Its name, or None.
        lease: Of the trial, in seconds: a worker that hangs or dies has no process left within it.
    """

    def __init__(self, words: Sequence[str], log: Path, gpu: str | None, lease: float) -> None:
        reading, self._writing = os.pipe()
        guarded = [
            sys.executable,
            "-I",
            "-S",
            str(guard.__file__),
            str(reading),
            str(lease * SILENCE),
            str(lease / 4),
        ]
        environment = os.environ | ({} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu})
        try:
            with log.open("ab") as output:
                self._process = subprocess.Popen(
                    [*guarded, *words],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    start_new_session=True,  # Ctrl-C reaches it through the worker alone
                    pass_fds=(reading,),
                )
        finally:
            os.close(reading)

    @property
    def status(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.poll()

    def live(self) -> None:
        """Tell the guard that the worker lives."""
        self._say(b".")

    def ask_to_end(self) -> None:
        """Have the run save what it has and end."""
        self._say(b"t")

    def end(self) -> None:
        """End the run at once, if it hasn't ended, and wait."""
        self.close()
        self._process.wait()

    def close(self) -> None:
        """Let the guard go; it ends the run if that goes on."""
        if self._writing >= 0:
            os.close(self._writing)
            self._writing = -1

    def _say(self, word: bytes) -> None:
        if self._writing >= 0:
            with suppress(BrokenPipeError):  # it has ended
                os.write(self._writing, word)
