"""Where a pane of glass stands in the world, and which pixels see through it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cameras import Camera
from family import Pane
from room import TABLE_Y

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Rectangle:
    """A rectangle in the world frame.

    Attributes:
        middle: (3,), its centre.
        right: (3,), unit, along its width.
        up: (3,), unit, along its height.
        normal: (3,), unit, of its front.
        half_size: half its width and height.
    """

    middle: Array
    right: Array
    up: Array
    normal: Array
    half_size: tuple[float, float]


def rectangle(pane: Pane) -> Rectangle:
    """Return where a pane stands."""
    turn, tilt = np.radians((pane.turn, pane.tilt))
    right = np.array([np.cos(turn), 0, -np.sin(turn)])
    ahead = np.array([np.sin(turn), 0, np.cos(turn)])  # the front's normal, were it upright
    up = np.array([0.0, 1.0, 0.0]) * np.cos(tilt) - ahead * np.sin(tilt)
    foot = np.array([pane.x, TABLE_Y, pane.z])
    half_size = (pane.width / 2, pane.height / 2)
    return Rectangle(foot + pane.height / 2 * up, right, up, np.cross(right, up), half_size)


def covered(pane: Pane, camera: Camera, depth: Array) -> NDArray[np.bool_]:
    """Return which pixels' centres see their surface through a pane.

    Args:
        pane: the pane.
        camera: of the photo.
        depth: (H, W), of the surfaces, along the forward axis.

    Returns:
        (H, W).
    """
    place = rectangle(pane)
    v, u = np.indices(depth.shape) + 0.5
    local = np.stack([u - camera.width / 2, v - camera.height / 2, np.full_like(u, camera.focal)], -1)
    rays = (local / camera.focal) @ camera.rotation.T  # of depth 1 along the forward axis
    at = ((place.middle - camera.position) @ place.normal) / (rays @ place.normal)
    offset = camera.position + at[..., None] * rays - place.middle
    inside = (np.abs(offset @ place.right) <= place.half_size[0]) & (
        np.abs(offset @ place.up) <= place.half_size[1]
    )
    return inside & (at > 0) & (at < depth)
