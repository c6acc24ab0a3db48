"""Lights of the family of rendered scenes: those of the demo, one more, and lamps for a deep room."""

from __future__ import annotations

from collections.abc import Callable

import lights
from lights import ambience, lamp
from nodes import Node


def gallery() -> dict[str, Node]:
    """Return a track with six small spots above the table, a cool panel on the right, and little ambience."""
    spots = {
        f"lamp_spot_{index}": lamp(
            "disk",
            [0.18, 0.18],
            [-1.5 + 0.6 * index, 2.3, -1.1 - 0.35 * (index % 2)],
            [-0.9 + 0.36 * index, -0.62, -1.9],
            [1, 0.88, 0.72],
            65,
        )
        for index in range(6)
    }
    return {
        "ambience": ambience(1.1),
        **spots,
        "lamp_panel": lamp("rectangle", [0.35, 0.8], [2.5, 0.9, -1.8], [0, -0.4, -2.1], [0.72, 0.86, 1], 12),
        "lamp_back": lamp("disk", [0.25, 0.25], [-0.4, 1.6, -3.8], [0, -0.62, -1.8], [1, 0.9, 0.78], 12),
    }


LIGHTS: dict[str, Callable[[], dict[str, Node]]] = {**lights.LIGHTS, "gallery": gallery}


def far_lamps() -> dict[str, Node]:
    """Return lamps above the far half of a deep room."""
    return {
        "lamp_far_left": lamp("disk", [0.7, 0.7], [-2.6, 4.2, -4.5], [-0.5, -0.6, -6], [1, 0.92, 0.8], 26),
        "lamp_far_right": lamp("disk", [0.7, 0.7], [2.8, 4.0, -5.0], [0.6, -0.2, -7], [0.85, 0.93, 1], 24),
    }
