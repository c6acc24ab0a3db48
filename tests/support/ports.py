"""Free ports for programs that must be given one before they listen."""

from __future__ import annotations

import secrets
import socket
from contextlib import ExitStack, suppress


def free_ports(count: int) -> list[int]:
    """Find ports on which nobody listens, below the range from which the system assigns ports.

    The system might assign one of the latter to a parallel test before it is used here. Drawn by `secrets`,
    since trainings seed all other random numbers, in all processes alike.
    """
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < count:
            port = 20_000 + secrets.randbelow(10_000)
            with suppress(OSError):
                held.enter_context(socket.socket()).bind(("", port))
                found.append(port)
    return found


def free_port() -> int:
    """Find one such port."""
    return free_ports(1)[0]
