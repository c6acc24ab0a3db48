"""The size of a scene in metres."""

from __future__ import annotations

import torch

from normnex_pl.export.baked.manifest import Manifest
from normnex_pl.export.paths import CAPTURE_METRES, capture_width


def metres_per_unit(manifest: Manifest) -> float | None:
    """Return a world unit in metres: the presentation's, else one that makes the capture 40 cm wide.

    Structure from motion knows no metres. The viewer takes the same size in a headset (``xr/scale.js``).

    Returns:
        None if nothing says it, and all photos were taken from one place.
    """
    given = manifest.presentation.metres_per_unit if manifest.presentation else None
    if given is not None:
        return float(given)
    width = capture_width(torch.tensor(manifest.viewpoints))
    return CAPTURE_METRES / width if width > 0 else None
