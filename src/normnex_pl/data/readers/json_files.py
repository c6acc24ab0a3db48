"""Reading JSON files and their values, with messages that name file and place."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from jaxtyping import Float

from normnex_pl.core.errors import UserError


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: It is missing, damaged, or something else.
    """
    try:
        # From bytes, since UTF-16 is told from UTF-8 there.
        return json.loads(path.read_bytes(), object_pairs_hook=_object)
    # JSONDecodeError and UnicodeDecodeError are ValueErrors; deep nesting exhausts the parser's recursion.
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{path}: expected a JSON file, found an empty, damaged or other file ({error}). Copy it again, "
            "or estimate the poses again."
        ) from error


def read_numbers(
    where: str, fields: Mapping[str, Any], key: str, shape: tuple[int, ...]
) -> Float[np.ndarray, "..."]:
    """Read an array of numbers.

    Args:
        where: File and place in it, for the message.
        fields: An object of the file.
        key: Of the array.
        shape: That it must have; empty for a single number.

    Raises:
        UserError: The key is missing, or holds something else.
    """
    if key not in fields:
        refuse(where, f"the key '{key}'", ", ".join(fields) or "nothing")
    try:
        # NumPy would take true for 1, and read numbers from text.
        values = None if isinstance(fields[key], (bool, str)) else np.array(fields[key], dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        values = None
    if values is None or values.shape != shape:
        expected = " x ".join(map(str, shape)) + " numbers" if shape else "a number"
        refuse(where, f"{expected} as '{key}'", shortened(fields[key]))
    return values


def read_number(where: str, fields: Mapping[str, Any], key: str) -> float:
    """Read a single number, see `read_numbers`."""
    return float(read_numbers(where, fields, key, ()))


def read_word(where: str, fields: Mapping[str, Any], key: str) -> str:
    """Read a text that isn't empty.

    Raises:
        UserError: The key is missing, or holds something else.
    """
    word = fields.get(key)
    if not isinstance(word, str) or not word.strip("./\\ ") or "\0" in word:
        refuse(where, f"a text as '{key}'", shortened(word))
    return word


def read_list(where: str, value: Any, kind: type, what: str) -> list[Any]:
    """Check that a value is a list with items of one type, and not empty.

    Raises:
        UserError: It isn't.
    """
    if not isinstance(value, list) or not value or not all(isinstance(item, kind) for item in value):
        refuse(where, f"a list of {what}", shortened(value))
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, whose keys must differ: of two the parser would silently drop the first."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        name, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"an object has the key '{name[:40]}' twice")
    return fields


def refuse(
    where: str, expected: str, found: str, advice: str = "Correct the file, or estimate the poses again."
) -> NoReturn:
    """Raise the UserError about unexpected content of a file."""
    raise UserError(f"{where}: expected {expected}, found {found}. {advice}")


def shortened(value: Any) -> str:
    """Return the beginning of a value on one line."""
    try:
        text = " ".join(repr(value).split())
    except RecursionError:
        text = f"a {type(value).__name__} of very many levels"
    return text if len(text) <= 60 else text[:60] + "..."
