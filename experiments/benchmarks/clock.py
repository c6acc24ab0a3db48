"""Time work on a device by its own clock, after a warm-up."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import pairwise

import torch

Mark = Callable[[], None]

_ENOUGH = 1.0  # seconds of timed runs


class Clock:
    """A clock that marks moments in the queue of a GPU (events), or on the CPU (``perf_counter``).

    Marking doesn't synchronise: the device works through its queue as it does in training.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._marks: list[torch.cuda.Event | float] = []

    def mark(self) -> None:
        """Mark this moment."""
        if self.device.type == "cuda":
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self._marks.append(event)
        else:
            self._marks.append(time.perf_counter())

    def gaps(self) -> list[float]:
        """Wait for the device, and return the milliseconds between successive marks, which are cleared."""
        wait(self.device)
        marks, self._marks = self._marks, []
        return [_between(*pair) for pair in pairwise(marks)]


def _between(first: torch.cuda.Event | float, second: torch.cuda.Event | float) -> float:
    if isinstance(first, float) and isinstance(second, float):
        return 1000 * (second - first)
    return float(first.elapsed_time(second))  # type: ignore[union-attr]


def wait(device: torch.device) -> None:
    """Wait until the device has finished its queue."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def median_laps(
    body: Callable[[Mark], None], device: torch.device, repeats: int, warm: int = 3
) -> list[float]:
    """Run something repeatedly, and time its laps.

    Args:
        body: Calls its argument between two laps: ``n`` calls make ``n + 1`` laps, the same number each time.
        device: The device of the work.
        repeats: Timed runs; fewer, but at least two, if all would take more than a second.
        warm: Runs before these, at least one.

    Returns:
        Medians in milliseconds: one for each lap, then that of the whole.
    """
    clock = Clock(device)
    for _ in range(warm - 1):
        body(_nothing)
    wait(device)
    start = time.perf_counter()
    body(_nothing)
    wait(device)
    repeats = min(repeats, max(2, round(_ENOUGH / (time.perf_counter() - start))))
    for _ in range(repeats):
        clock.mark()
        body(clock.mark)
    clock.mark()
    gaps = clock.gaps()
    laps = len(gaps) // repeats
    runs = [gaps[start : start + laps] for start in range(0, len(gaps), laps)]
    return [statistics.median(lap) for lap in zip(*runs, strict=True)] + [statistics.median(map(sum, runs))]


def milliseconds(work: Callable[[], object], device: torch.device, repeats: int, warm: int = 3) -> float:
    """Return the median time of a call."""

    def body(mark: Mark) -> None:
        work()

    return median_laps(body, device, repeats, warm)[-1]


def _nothing() -> None:
    return
