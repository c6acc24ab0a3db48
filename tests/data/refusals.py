"""Checks that all readers refuse a broken scene with one clear message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from normnex_pl.core.errors import UserError


def check_one_clear_message(
    root: Path, read: Callable[[Path], object], breaker: Callable[[Path], object], says: str
) -> None:
    """Break a scene that can be read; the message names the scene, in one line that ends in a full stop."""
    read(root)
    breaker(root)
    with pytest.raises(UserError, match=says) as caught:
        read(root)
    message = str(caught.value)
    assert message.startswith(str(root))
    assert message.endswith(".")
    assert "\n" not in message
