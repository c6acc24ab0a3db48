"""A warning about the keys of a JSON file that no reader understands, so that none is dropped in silence."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

_MOST_NAMED = 12


def warn_of_unread_keys(
    path: Path, objects: Iterable[Mapping[str, Any]], read: Collection[str], effects: Mapping[str, str]
) -> None:
    """Log one warning that lists the keys which hold something that isn't read.

    Args:
        path: The file.
        objects: Its objects.
        read: The keys that are read, or refused where they hold something.
        effects: What ignoring a key leads to.
    """
    present = (key for entry in objects for key, value in entry.items() if not is_nothing(value))
    # Those with a known effect first.
    unread = sorted(set(present) - set(read), key=lambda key: (key not in effects, key))
    if not unread:
        return
    named = [f"{key[:40]} ({effects[key]})" if key in effects else key[:40] for key in unread[:_MOST_NAMED]]
    more = f" and {len(unread) - _MOST_NAMED} more" if len(unread) > _MOST_NAMED else ""
    logger.warning("%s: these keys are not used: %s%s", path, ", ".join(named), more)


def is_nothing(value: Any) -> bool:
    """Return whether a value says no more than its absence: null, false, zero or zeros, or empty."""
    return not any(value) if isinstance(value, list) else not value
