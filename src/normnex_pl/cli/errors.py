"""One handler for all commands: what a user can fix ends with one line, a bug with a traceback."""

from __future__ import annotations

import errno
import sys
from argparse import ArgumentError
from collections.abc import Callable

from normnex_pl.core.errors import STOPPED, RunStoppedError, UserError

REFUSED = 2
INTERRUPTED = 130  # the exit status that shells report of a program that Ctrl-C ended


def guarded(action: Callable[[], int | None]) -> int:
    """Run a command and return its exit status; errors meant for the user become a line on stderr.

    Raises:
        Exception: Anything else, which is a bug.
    """
    try:
        return action() or 0
    except KeyboardInterrupt as interrupt:
        _say("\n" + " ".join(["Stopped.", *map(str, interrupt.args)]))
        return INTERRUPTED
    except RunStoppedError as stopped:
        _say(str(stopped))
        return STOPPED
    except Exception as error:
        message = _message_of(error)
        if message is None:
            raise
        _say(f"error: {' '.join(line.strip() for line in message.splitlines() if line.strip())}")
        return REFUSED


def _message_of(error: Exception) -> str | None:
    """Return the message for the user; None for a bug."""
    if isinstance(error, (UserError, ArgumentError)):
        return str(error)
    if isinstance(error, OSError):
        return _message_of_system(error)
    if isinstance(error, RuntimeError) and "torch" in sys.modules:  # it isn't worth an import
        from normnex_pl.training.memory.advice import out_of_memory_message
        from normnex_pl.training.memory.count import is_out_of_memory

        return out_of_memory_message(error) if is_out_of_memory(error) else None
    return None


def _message_of_system(error: OSError) -> str:
    """Return the operating system's error about a file, with advice where permissions are missing."""
    place = "" if error.filename is None else f"{error.filename}: "
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{place}expected permission to read and write here, found none ({error.strerror}). Change the "
            "permissions, or choose another place."
        )
    return f"{place}{error.strerror or error}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201
