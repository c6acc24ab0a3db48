"""Nodes of mitsuba's scene dictionaries that materials and lights share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mitsuba as mi
import numpy as np
from numpy.typing import NDArray

Node = dict[str, Any]
Vector = Sequence[float]


def bitmap(image: NDArray[np.uint8]) -> Node:
    """Return a texture from sRGB texels (H, W, 3)."""
    return {"type": "bitmap", "bitmap": mi.Bitmap(np.ascontiguousarray(image)), "format": "fp16"}


def rgb(*value: float) -> Node:
    """Return a colour in linear RGB."""
    return {"type": "rgb", "value": list(value)}
