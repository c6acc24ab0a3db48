"""A warning about positions that single precision has rounded too much."""

from __future__ import annotations

import logging

import numpy as np
from jaxtyping import Float

from normnex_pl.data.photos.posed import PosedPhotos

logger = logging.getLogger(__name__)

# Of the nearest depth. At a focal length of 1000 pixels it moves near content by one of them.
_LARGEST_STEP = 1e-3


def warn_of_rounding(posed: PosedPhotos) -> None:
    """Log a warning if cameras or points lie too far from the origin for single precision.

    Geographic coordinates are an example: 5 million metres from the origin, numbers are half a metre apart.

    Args:
        posed: In the frame and units of the files.
    """
    nearest = float(posed.bounds[:, 0].min())
    for what, positions in (("cameras", posed.c2w[:, :, 3]), ("points", posed.points)):
        step = 0.0 if positions is None else single_precision_step(positions)
        if step > _LARGEST_STEP * nearest:
            logger.warning(
                "%s: the positions of its %s are in single precision, too coarse so far from the origin: in "
                "steps of %.2g, with content at a depth of %.2g. Subtract an offset from all positions in "
                "double precision, and export them again.",
                posed.source,
                what,
                step,
                nearest,
            )


def single_precision_step(positions: Float[np.ndarray, "position 3"]) -> float:
    """Return the distance of neighbouring numbers where positions are farthest from the origin.

    Args:
        positions: In double precision; zero is returned unless all of them fit into single precision, so
            that they may have been rounded to it.
    """
    with np.errstate(over="ignore"):
        single = positions.astype(np.float32)
    if not len(positions) or not np.array_equal(single.astype(np.float64), positions):
        return 0.0
    return float(np.spacing(np.abs(single).max()))
