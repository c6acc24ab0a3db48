"""The unit of length of a scene's world."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

_NEAR_FRACTION = 0.75


def scene_unit(bounds: Float[np.ndarray, "view 2"]) -> float:
    """Return the length in a capture's own units that becomes 1 in the scene.

    0.75 x the smallest near bound.
    """
    return _NEAR_FRACTION * float(bounds[:, 0].min())
