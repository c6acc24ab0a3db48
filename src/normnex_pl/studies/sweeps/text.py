"""Parameters and their values, as people read them."""

from __future__ import annotations

from typing import Any


def short_name(name: str) -> str:
    """Return the last part of a parameter's name, which fits a column."""
    return name.rpartition(".")[2]


def format_number(value: Any, digits: int = 3) -> str:
    """Return a value as text: floats with so many significant digits, others as they are."""
    if value is None:
        return "-"
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)
