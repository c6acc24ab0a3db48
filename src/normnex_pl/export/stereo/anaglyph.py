"""Red and cyan glasses: two pictures in one.

Source: E. Dubois, A projection method to generate anaglyph stereo images, ICASSP 2001: the colours that, seen
through the filters, are closest to the two pictures in the sense of least squares. The matrices are those for
red and cyan filters and an LCD, as ffmpeg's filter ``stereo3d`` (``arcd``) has them. They apply to linear
light.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

_LEFT = np.array([[0.456, 0.500, 0.176], [-0.040, -0.038, -0.016], [-0.015, -0.021, -0.005]])
_RIGHT = np.array([[-0.043, -0.088, -0.002], [0.378, 0.734, -0.018], [-0.072, -0.113, 1.226]])


def anaglyph(
    left: UInt8[np.ndarray, "height width 3"], right: UInt8[np.ndarray, "height width 3"]
) -> UInt8[np.ndarray, "height width 3"]:
    """Return one picture of two for glasses whose left filter is red and whose right one is cyan."""
    decoded = decode_table()
    light = decoded[left] @ _LEFT.T + decoded[right] @ _RIGHT.T
    light = light.clip(0, 1)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return (255 * encoded).round().astype(np.uint8)


def decode_table() -> NDArray[np.float64]:
    """Return the linear light of each sRGB byte (IEC 61966-2-1)."""
    srgb = np.arange(256) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
