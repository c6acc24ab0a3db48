"""Requests to stop: signals of a user or a cluster."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

# Ctrl-C; the end of a job; some time before it, if the job's script asks for that.
_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class StopRequest:
    """Note signals that ask the process to stop, from entering to leaving the context.

    Attributes:
        received: The name of the first one; None as long as there is none.
    """

    def __init__(self) -> None:
        self.received: str | None = None
        self._before: list[Any] = []

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():  # elsewhere Python has no handlers
            self._before = [signal.signal(number, self._note) for number in _NUMBERS]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in zip(_NUMBERS, self._before, strict=False):
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = self.received or signal.Signals(number).name
