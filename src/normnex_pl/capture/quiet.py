"""Keeping what a library prints out of the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def library_output_to(log: Path) -> Iterator[TextIO]:
    """Redirect standard error to a file, that of C++ code included.

    Args:
        log: The file, to which is appended.

    Yields:
        A stream to the terminal, for what shall be seen there.
    """
    sys.stderr.flush()
    terminal = os.dup(2)
    try:
        with log.open("ab") as file:
            os.dup2(file.fileno(), 2)
        with os.fdopen(os.dup(terminal), "w") as stream:
            yield stream
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
