"""Reading the text files beside a scene's photos."""

from __future__ import annotations

from pathlib import Path

from normnex_pl.core.errors import UserError


def read_lines(path: Path) -> list[str]:
    """Read a text file; a byte order mark is dropped.

    Raises:
        UserError: It holds something else.
    """
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: expected a text file, found something else ({error}). Replace it."
        ) from error
