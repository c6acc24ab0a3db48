"""Files and folders that an export may write to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from normnex_pl.core.errors import UserError


def expect_new_or_empty(target: Path) -> None:
    """Refuse a target that holds anything, so that an export never deletes what it didn't write.

    Raises:
        UserError: The target is a file, or a folder with files in it.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(
            f"{target}: expected a new or empty folder, found one with other files. Name another."
        )


def expect_new_file(target: Path, ending: str, is_earlier_export: Callable[[Path], bool]) -> None:
    """Refuse a target that isn't a new file or an earlier export.

    Args:
        target: Where to write.
        ending: Of such files, such as ``.glb``.
        is_earlier_export: Whether a file was exported before.

    Raises:
        UserError: The target is a folder, another file, or has another ending.
    """
    if target.is_dir():
        raise UserError(f"{target}: expected a new file {ending}, found a folder. Name a file in it.")
    if target.exists() and not is_earlier_export(target):
        raise UserError(f"{target}: expected a new file {ending}, found another file. Name another.")
    if target.suffix != ending:
        raise UserError(f"{target}: expected a name that ends in {ending}, found {target.name}. Change it.")
