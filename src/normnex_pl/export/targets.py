"""Folders that an export may write to."""

from __future__ import annotations

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
