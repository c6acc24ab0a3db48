"""``normnex prepare PHOTOS SCENE``: from photos or a video to a scene."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from normnex_pl.capture.options import PrepareOptions as Options
from normnex_pl.core.errors import UserError

__all__ = ["Options", "run"]


def run(options: Options) -> None:
    """Make the scene and report on it."""
    try:
        with _quiet_readers():
            lines = _prepare(options)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("The same command goes on from here.") from None
    for line in lines:
        print(line)  # noqa: T201
    print(f"The scene is {options.scene}. To train on it: normnex train '{options.scene}'")  # noqa: T201


@contextmanager
def _quiet_readers() -> Iterator[None]:
    """Suppress the readers' log messages about a scene that is only partly written."""
    readers = logging.getLogger("normnex_pl.data")
    before = readers.level
    readers.setLevel(logging.WARNING)
    try:
        yield
    finally:
        readers.setLevel(before)


def _prepare(options: Options) -> Sequence[str]:
    """Import the packages of the extra, and start."""
    try:
        from normnex_pl.capture.prepare import prepare
    except ImportError as error:
        raise UserError(
            f"{error.name}: expected this package of the extra 'capture', found none. Install the extra: "
            "pip install 'normnex_pl[capture]', in a checkout pip install -e '.[capture]'."
        ) from error
    return prepare(options)
