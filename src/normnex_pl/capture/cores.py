"""How many cores there are to use."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Return those that this process may run on: on a cluster often fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
