"""Why a run failed, in a line of what it has printed."""

from __future__ import annotations

from pathlib import Path


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
