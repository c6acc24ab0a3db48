"""Ports for programs that must be told theirs before they listen."""

from __future__ import annotations

import secrets
import socket
from contextlib import ExitStack, suppress


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at, below those that a system picks when it is asked for any.

    One of the latter might be picked again for a test beside this one, before it is used here. By `secrets`,
    since trainings seed the other random numbers, in all processes alike.
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
    """One of them."""
    return free_ports(1)[0]
