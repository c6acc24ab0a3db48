"""Names that users gave, in pictures."""

from __future__ import annotations

_LONGEST = 60


def literal(text: str) -> str:
    """Return text that matplotlib draws as it is: a dollar sign begins no formula."""
    return text.replace("$", r"\$")


def short(name: str) -> str:
    """Return a name of at most 60 characters: a long one without its middle."""
    half = (_LONGEST - 1) // 2
    return name if len(name) <= _LONGEST else f"{name[:half]}…{name[-half:]}"
