"""Differences in exposure between photos, from the colours of the points that they share."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

# The sRGB curve is nearly this power.
_GAMMA = 2.2
# Darker values are unreliable, brighter ones clipped; of 8 bits.
_DARKEST, _BRIGHTEST = 16.0, 245.0
_FEWEST_POINTS = 20


def exposure_offsets(
    colors: Float[np.ndarray, "observation 3"],
    observed: Int[np.ndarray, "observation"],
    photo: Int[np.ndarray, "observation"],
    num_photos: int,
) -> Float[np.ndarray, "photo"]:
    """Return how much brighter or darker each photo shows the points that it shares with others.

    Args:
        colors: sRGB, 0 to 255, of each observation of a point.
        observed: Index of its point.
        photo: Index of the photo that it was observed in.
        num_photos: How many photos there are.

    Returns:
        Stops (factors of 2 of the light) of the colour channel that differs most; positive is brighter. 0 for
        photos that show too few points to tell.
    """
    usable = ((colors >= _DARKEST) & (colors <= _BRIGHTEST)).all(axis=1)
    colors, observed, photo = colors[usable], observed[usable], photo[usable]
    stops = _GAMMA * np.log2(np.maximum(colors, 1) / 255)
    offsets = stops - _medians(stops, observed)
    result = np.zeros(num_photos)
    for index in range(num_photos):
        own = offsets[photo == index]
        if len(own) >= _FEWEST_POINTS:
            channels = np.median(own, axis=0)
            result[index] = channels[np.abs(channels).argmax()]
    return result


def _medians(
    values: Float[np.ndarray, "observation 3"], group: Int[np.ndarray, "observation"]
) -> Float[np.ndarray, "observation 3"]:
    """Return, for each value, the median of its group."""
    result = np.empty_like(values)
    if not len(values):
        return result
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order])) + 1
    for members in np.split(order, starts):
        result[members] = np.median(values[members], axis=0)
    return result
