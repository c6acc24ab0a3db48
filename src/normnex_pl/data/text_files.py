"""Reading the text files beside a scene's photos."""

from __future__ import annotations

import codecs
from pathlib import Path

from normnex_pl.core.errors import UserError

# The marks at the front of a file that name its encoding. UTF-32's begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def decode_text(data: bytes) -> str:
    """Decode a file's text: UTF-8, or what the byte order mark at its front says. Line ends become newlines.

    Raises:
        ValueError: It isn't text, or UTF-16 without a mark; the error says which.
    """
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    text = data.decode(encoding)
    if "\0" in text:
        raise ValueError("zero bytes, as UTF-16 without a byte order mark has them; expected UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_lines(path: Path) -> list[str]:
    """Read a text file; a byte order mark is dropped.

    Raises:
        UserError: It holds something else.
    """
    try:
        return decode_text(path.read_bytes()).splitlines()
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: expected a text file, found something else ({error}). Replace it."
        ) from error
