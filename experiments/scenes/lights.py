"""Lights of a rendered scene: an environment and one-sided lamps."""

from __future__ import annotations

from collections.abc import Callable

import mitsuba as mi
import numpy as np

import textures
from nodes import Node, Vector, rgb
from room import TABLE_Y


def lamp(kind: str, size: Vector, position: Vector, target: Vector, radiance: Vector, gain: float) -> Node:
    """Return a one-sided area light that faces a target.

    Args:
        kind: `rectangle` or `disk`.
        size: half sizes in x and y.
        position: of its centre.
        target: a point on its axis.
        radiance: linear RGB.
        gain: multiplies the radiance.
    """
    frame = mi.ScalarTransform4f().look_at(list(position), list(target), [0, 1, 0.01])
    power = gain * float(np.mean(radiance)) * 4 * size[0] * size[1]
    emitter = {
        "type": "area",
        "radiance": rgb(*(gain * value for value in radiance)),
        "sampling_weight": power**0.5,  # the square root, so that small lamps nearby are sampled too
    }
    return {"type": kind, "to_world": frame.scale([size[0], size[1], 1]), "emitter": emitter}


def ambience(gain: float) -> Node:
    """Return light from all around: a sky whose radiance is multiplied by the gain."""
    bitmap = mi.Bitmap(gain * textures.sky(64, 128))
    return {"type": "envmap", "bitmap": bitmap, "sampling_weight": 3.5}


def studio() -> dict[str, Node]:
    """Return a warm soft box, two round lamps, and a strip and a spot in front of the wall."""
    middle, wood = [0, -0.5, -2.1], [0.1, TABLE_Y, -1.4]
    return {
        "ambience": ambience(1.4),
        "lamp_key": lamp("rectangle", [0.7, 0.5], [-1.9, 2.1, 0.0], middle, [1, 0.86, 0.70], 23),
        "lamp_cool": lamp("disk", [0.42, 0.42], [2.2, 1.3, -0.5], middle, [0.62, 0.80, 1], 15),
        "lamp_top": lamp("disk", [0.5, 0.5], [0.5, 2.4, -2.6], middle, [1, 0.95, 0.88], 14),
        "lamp_strip": lamp("rectangle", [0.8, 0.05], [0.7, 1.25, -4.0], wood, [1, 0.93, 0.82], 9),
        "lamp_spot": lamp("disk", [0.13, 0.13], [-0.8, 1.25, -3.9], wood, [1, 0.72, 0.42], 9),
    }


def window() -> dict[str, Node]:
    """Return four panes of daylight on the left, a small warm lamp on the right, and a lamp at the back."""
    middle = [0, -0.5, -2.1]
    panes = {
        f"lamp_pane_{row}{column}": lamp(
            "rectangle",
            [0.32, 0.40],
            [-2.4, 1.0 + 0.95 * row, -1.9 + 0.8 * column],
            [0, 0.6 + 0.95 * row, -1.9 + 0.8 * column],
            [0.80, 0.92, 1],
            26,
        )
        for row in range(2)
        for column in range(2)
    }
    return {
        "ambience": ambience(1.7),
        **panes,
        "lamp_warm": lamp("disk", [0.22, 0.22], [1.7, 1.1, -0.6], middle, [1, 0.66, 0.34], 40),
        "lamp_back": lamp("disk", [0.2, 0.2], [0.3, 1.3, -3.9], middle, [1, 0.9, 0.8], 9),
    }


LIGHTS: dict[str, Callable[[], dict[str, Node]]] = {"studio": studio, "window": window}
