"""The cameras of the photos: a jittered grid that faces the scene."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FIELD_OF_VIEW = 55.0  # horizontal, degrees
SPACING = (0.062, 0.055)  # of the grid in x and y, world units
TARGET = (0.0, -0.42, -2.2)  # the point that the cameras face, world frame
HELD_OUT_EVERY = 8

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """A pinhole with its principal point in the middle of the image.

    Attributes:
        rotation: (3, 3), columns right, down, forward in the world frame (OpenCV axes).
        position: (3,), world units.
        focal: pixels.
        width: pixels.
        height: pixels.
    """

    rotation: Array
    position: Array
    focal: float
    width: int
    height: int


def _grid_size(views: int) -> tuple[int, int]:
    """Return columns and rows of the smallest grid, about 6 : 5, that has a cell for each view."""
    rows = max(1, round(np.sqrt(views * 5 / 6)))
    return -(-views // rows), rows


def _spread(points: Array, candidates: NDArray[np.intp], count: int) -> list[int]:
    """Choose `count` of the candidates by greedy farthest-point sampling, starting with the first."""
    chosen = [int(candidates[0])]
    while len(chosen) < count:
        gaps = np.linalg.norm(points[candidates, None] - points[None, chosen], axis=-1).min(1)
        chosen.append(int(candidates[gaps.argmax()]))
    return chosen


def view_positions(views: int, rng: np.random.Generator) -> Array:
    """Return jittered grid positions, ordered so that held-out views lie inside the grid.

    The order is row by row, from the top down. The held-out views (every 8th) are spread over the inner cells
    and moved to their places in the order.

    Args:
        views: number of cameras.
        rng: source of the jitter.

    Returns:
        (views, 3), world frame.
    """
    columns, rows = _grid_size(views)
    cells = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), -1).reshape(-1, 2)[:views]
    centred = (cells - (cells.max(0) + cells.min(0)) / 2) * (1, -1)
    inner = np.flatnonzero(((cells > 0) & (cells < (columns - 1, rows - 1))).all(1))
    held_out_slots = range(0, views, HELD_OUT_EVERY)
    if len(inner) < len(held_out_slots):  # too few views for inner cells alone
        inner = np.argsort(np.linalg.norm(centred, axis=1), kind="stable")
    held_out = _spread(centred, inner, len(held_out_slots))
    order = [cell for cell in range(views) if cell not in held_out]
    for slot, cell in zip(held_out_slots, held_out, strict=True):
        order.insert(slot, cell)
    jitter = rng.uniform(-0.3, 0.3, (views, 2))
    plane = (centred + jitter) * SPACING
    depth = rng.uniform(-0.03, 0.03, views)
    return np.column_stack([plane, depth])[order]


def _face(position: Array, target: Array, roll: float) -> Array:
    """Return the rotation (3, 3), columns right, down, forward, that faces a target; roll in radians."""
    forward = target - position
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, (0.0, 1.0, 0.0))
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    return np.column_stack([np.column_stack([right, down]) @ turn, forward])


def make_cameras(views: int, width: int, seed: int) -> list[Camera]:
    """Return the cameras of a scene; apart from their resolution the same for each image width.

    Args:
        views: number of cameras.
        width: image width in pixels, a multiple of 4; the height is 3/4 of it.
        seed: seed of the jitter of positions, targets and rolls.
    """
    rng = np.random.default_rng([seed, views])
    positions = view_positions(views, rng)
    targets = TARGET + rng.uniform(-0.05, 0.05, (views, 3))
    rolls = np.radians(rng.uniform(-1.0, 1.0, views))
    focal = 0.5 * width / np.tan(np.radians(FIELD_OF_VIEW) / 2)
    return [
        Camera(_face(position, target, roll), position, float(focal), width, width * 3 // 4)
        for position, target, roll in zip(positions, targets, rolls, strict=True)
    ]
