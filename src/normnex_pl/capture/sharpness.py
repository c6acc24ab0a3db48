"""Sharpness of pictures, compared with others of the same scene."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

# Blur matters at the size that training sees, not at that of a phone's sensor.
_LONGEST = 1008


def sharpness(image: UInt8[np.ndarray, "height width"]) -> float:
    """Return the variance of the Laplacian (Pech-Pacheco et al., ICPR 2000): small where edges are blurred.

    Args:
        image: Grey values; at least 3 x 3.

    Returns:
        A number that only means something beside those of other pictures of the scene, of the same size.
    """
    grey = image.astype(np.float32)
    middle = grey[1:-1, 1:-1]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float((around - 4 * middle).var())


def sharpness_of_photo(photo: Image.Image) -> float:
    """Return the sharpness of a photo at the size that training sees."""
    grey = photo.convert("L")
    grey.thumbnail((_LONGEST, _LONGEST), Image.Resampling.BOX)
    return sharpness(np.asarray(grey))


def blurred(values: Float[np.ndarray, "photo"], least: float = 0.35) -> list[int]:
    """Return the indices of the photos that are much less sharp than most.

    Args:
        values: Their sharpness.
        least: As a fraction of the median.
    """
    return [int(index) for index in np.flatnonzero(values < least * np.median(values))]
