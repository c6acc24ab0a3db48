"""Things for a table, drawn from a generator and placed so that none touches another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from family import Pane
from meshes import Mesh
from shapes import GROUPS, Shape

COUNTS = {"solid": 2, "revolved": 4, "ring": 1, "thin": 2}  # things of each group
GAP = 0.015  # least free space between two things, world units
ATTEMPTS = 20  # draws of all things, if one finds no place
VIEW_SLOPE = 0.42  # things stand where |x| is at most this times the distance: inside the photos
APART = 0.05  # least difference of two things' x / distance, so that none hides another's middle
BANDS = ((1.1, 1.4), (1.5, 2.2), (2.2, 3.0))  # distances of front, middle and back things
DEEP_BANDS = ((1.08, 1.3), (1.9, 3.2), (4.0, 7.0))
SIZES = ((0.07, 0.10), (0.085, 0.125), (0.10, 0.15))  # of the larger of radius and half height, per distance


@dataclass(frozen=True)
class Thing:
    """A thing on the table.

    Attributes:
        kind: its shape's name.
        mesh: at its place; the foot is at y = 0.
        x: of its axis, world units.
        z: likewise.
        radius: of the vertical cylinder around its axis that holds it.
    """

    kind: str
    mesh: Mesh
    x: float
    z: float
    radius: float


def draw_kinds(rng: np.random.Generator) -> list[tuple[str, Shape]]:
    """Draw kinds of things: some of each group, no kind twice, in any order."""
    drawn = [
        (str(kind), GROUPS[group][kind])
        for group, count in COUNTS.items()
        for kind in rng.choice(sorted(GROUPS[group]), count, replace=False)
    ]
    return [drawn[index] for index in rng.permutation(len(drawn))]


def pane_distance(pane: Pane, x: float, z: float) -> float:
    """Return the distance of a point on the table from the foot of a pane, from its whole line."""
    turn = np.radians(pane.turn)
    return float(abs((x - pane.x) * np.sin(turn) + (z - pane.z) * np.cos(turn)))


def _fits(x: float, z: float, radius: float, placed: Sequence[Thing], pane: Pane | None) -> bool:
    for other in placed:
        if np.hypot(x - other.x, z - other.z) < radius + other.radius + GAP:
            return False
        if abs(x / z - other.x / other.z) < APART:
            return False
    # A leaning pane is as much as this farther back at its top.
    lean = 0.0 if pane is None else pane.height * np.tan(np.radians(pane.tilt))
    return pane is None or pane_distance(pane, x, z) > radius + lean + GAP


def arrange(rng: np.random.Generator, deep: bool, pane: Pane | None) -> list[Thing]:
    """Draw things and place them one after the other, each where nothing stands.

    A third of them stands in front, a third in the middle and a third at the back. Where one finds no place,
    all are drawn anew.

    Raises:
        RuntimeError: No place was found: there are too many things, or they are too large.
    """
    bands = DEEP_BANDS if deep else BANDS
    for _ in range(ATTEMPTS):
        placed = _try_to_arrange(rng, bands, pane)
        if placed is not None:
            return placed
    raise RuntimeError(f"No arrangement in which nothing touches was found in {ATTEMPTS} attempts.")


def _try_to_arrange(
    rng: np.random.Generator, bands: Sequence[tuple[float, float]], pane: Pane | None
) -> list[Thing] | None:
    """Draw things and place them; return None if one of them finds no place."""
    placed: list[Thing] = []
    kinds = draw_kinds(rng)
    for index, (kind, shape) in enumerate(kinds):
        band = index * len(bands) // len(kinds)
        unit = shape(rng)
        extent = max(unit.radius, unit.height / 2)
        for _ in range(2000):
            distance = rng.uniform(*bands[band])
            scale = distance * rng.uniform(*SIZES[band]) / extent
            x = distance * rng.uniform(-VIEW_SLOPE, VIEW_SLOPE)
            if _fits(x, -distance, scale * unit.radius, placed, pane):
                mesh = unit.placed(scale, rng.uniform(0, 2 * np.pi), (x, 0, -distance))
                placed.append(Thing(kind, mesh, x, -distance, scale * unit.radius))
                break
        else:
            return None
    return placed


def most_visible(things: Sequence[Thing]) -> int:
    """Return the index of the thing that looks largest; wires, sheets and rings don't count."""
    solids = GROUPS["solid"].keys() | GROUPS["revolved"].keys()
    shares = [
        thing.radius * thing.mesh.height / thing.z**2 if thing.kind in solids else 0.0 for thing in things
    ]
    return int(np.argmax(shares))
