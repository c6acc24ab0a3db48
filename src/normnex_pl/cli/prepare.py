"""The command line of ``make prepare``."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

from normnex_pl.core.errors import UserError

_STOPPED = 130  # what shells say of a program that Ctrl-C ended
LENSES = ("SIMPLE_RADIAL", "RADIAL", "OPENCV", "SIMPLE_PINHOLE", "PINHOLE")


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    result = argparse.ArgumentParser(
        prog="python -m normnex_pl.capture",
        description="Makes a scene of photos or a video: undistorted, with poses by structure from motion.",
        epilog="When the command is given again it goes on where it was stopped. The photos are only read.",
        allow_abbrev=False,
    )
    result.add_argument("--photos", type=Path, required=True, help="folder of photos, or a video")
    result.add_argument("--scene", type=Path, required=True, help="folder to write; must not exist")
    result.add_argument(
        "--longest",
        type=int,
        default=2016,
        help="largest side of the scene's photos in pixels; default: 2016",
    )
    result.add_argument("--frames", type=int, default=40, help="how many to pick from a video; default: 40")
    result.add_argument(
        "--lens", choices=LENSES, default=LENSES[0], help=f"COLMAP's camera model; default: {LENSES[0]}"
    )
    result.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="for features and matches; default: auto",
    )
    result.add_argument("--seed", type=int, default=0, help="of the random choices; default: 0")
    result.add_argument("--anyway", action="store_true", help="write scenes too that don't face one way")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0, 2 for bad input, or 130 when the user stops it."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    options = parser().parse_args(arguments)
    try:
        _check(options)
        with _quiet_readers():
            lines = _prepare(options)
        for line in lines:
            print(line)  # noqa: T201
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)  # noqa: T201
        return _STOPPED
    print(f"The scene is {options.scene}. To train on it: make train SCENE='{options.scene}'")  # noqa: T201
    return 0


@contextmanager
def _quiet_readers() -> Iterator[None]:
    """Keep back what the readers tell of a scene that is half written."""
    readers = logging.getLogger("normnex_pl.data")
    before = readers.level
    readers.setLevel(logging.WARNING)
    try:
        yield
    finally:
        readers.setLevel(before)


def _prepare(options: argparse.Namespace) -> Sequence[str]:
    """Import what the extra brings, and start."""
    try:
        from normnex_pl.capture.prepare import Options, prepare
    except ImportError as error:
        raise UserError(
            f"{error.name}: expected this package of the extra 'capture', found none. Install the extra: "
            "pip install -e '.[capture]'; `make prepare` does."
        ) from error
    return prepare(Options(**{field.name: getattr(options, field.name) for field in fields(Options)}))


def _check(options: argparse.Namespace) -> None:
    """Raise a UserError if a number is out of range."""
    for name, least in (("longest", 320), ("frames", 6), ("seed", 0)):
        if getattr(options, name) < least:
            raise UserError(f"--{name}: expected at least {least}, found {getattr(options, name)}.")
