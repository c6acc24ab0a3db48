"""The kinds of things in the family of rendered scenes: meshes of about unit size, drawn from a generator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import meshes
from meshes import Array, Mesh

Shape = Callable[[np.random.Generator], Mesh]

WALL = 0.05  # thickness of bowls and cups, as a share of their radius


def line(start: tuple[float, float], end: tuple[float, float]) -> Array:
    """Return a straight piece of a profile between two points (radius, y)."""
    return np.linspace(start, end, 5)


def solid(outer: Array) -> Mesh:
    """Return a body with flat ends from its outer profile (N, 2), from below up."""
    (low, bottom), (high, top) = outer[0], outer[-1]
    return meshes.revolved([line((0, bottom), (low, bottom)), outer, line((high, top), (0, top))])


def hollow(outer: Array, thickness: float) -> Mesh:
    """Return a vessel that is open above, with a round rim.

    Args:
        outer: (N, 2), the profile of the outer side, from the foot up.
        thickness: of the wall and of the bottom.
    """
    inner = outer[::-1] - (thickness, 0)
    inner = inner[inner[:, 1] > outer[0, 1] + thickness]
    turn = np.linspace(0, np.pi, 13)[:, None]
    middle = (outer[-1] + inner[0]) / 2
    rim = middle + thickness / 2 * np.concatenate([np.cos(turn), np.sin(turn)], 1)
    floor = line(tuple(inner[-1]), (0, inner[-1, 1]))
    return meshes.revolved([line((0, outer[0, 1]), tuple(outer[0])), outer, rim, inner, floor])


def ball(rng: np.random.Generator) -> Mesh:
    """Return a ball."""
    turn = np.linspace(-np.pi / 2, np.pi / 2, 97)
    return meshes.revolved([np.stack([np.cos(turn), 1 + np.sin(turn)], -1)], 192)


def block(rng: np.random.Generator) -> Mesh:
    """Return a box."""
    return meshes.box(rng.uniform((0.5, 0.4, 0.5), (0.8, 1.0, 0.8)))


def can(rng: np.random.Generator) -> Mesh:
    """Return an upright cylinder."""
    return solid(line((0.7, 0), (0.7, rng.uniform(1.2, 2.0))))


def vase_profile(rng: np.random.Generator) -> Array:
    """Return the outer side of a vase (N, 2): a foot, a belly, a neck and a lip."""
    t = np.linspace(0, 1, 97)
    belly, neck = rng.uniform(0.28, 0.45), rng.uniform(0.75, 0.85)
    radius = (
        rng.uniform(0.20, 0.30)
        + rng.uniform(0.38, 0.50) * np.exp(-(((t - belly) / 0.22) ** 2))
        + rng.uniform(0.10, 0.25) * np.clip((t - neck) / (1 - neck), 0, None) ** 2
    )
    return np.stack([radius, rng.uniform(1.7, 2.3) * t], -1)


def vase(rng: np.random.Generator) -> Mesh:
    """Return a vase, hollow and open."""
    return hollow(vase_profile(rng), WALL)


def bowl(rng: np.random.Generator) -> Mesh:
    """Return a wide bowl, open above."""
    t = np.linspace(0, 1, 65)
    foot, power = rng.uniform(0.3, 0.45), rng.uniform(0.45, 0.7)
    return hollow(np.stack([foot + (1 - foot) * t**power, rng.uniform(0.5, 0.75) * t**1.2], -1), WALL)


def cup(rng: np.random.Generator) -> Mesh:
    """Return a cup with a handle."""
    t = np.linspace(0, 1, 65)
    height, foot = rng.uniform(0.9, 1.2), rng.uniform(0.4, 0.6)
    radius = foot + (0.68 - foot) * np.sqrt(t)
    body = hollow(np.stack([radius, height * t], -1), WALL)
    turn = np.linspace(-0.6 * np.pi, 0.6 * np.pi, 61)
    low, high = np.interp((0.25, 0.8), t, radius)
    x = np.interp(turn, turn[[0, -1]], (low, high)) + 0.3 * (np.cos(turn) - np.cos(turn[0]))
    handle = np.stack([x - 0.02, height * (0.53 + 0.29 * np.sin(turn)), 0 * turn], -1)
    return meshes.merged([body, meshes.tube(handle, 0.06)])


def cone(rng: np.random.Generator) -> Mesh:
    """Return a cone; a frustum where its top is wide."""
    return solid(line((0.75, 0), (rng.uniform(0.02, 0.3), rng.uniform(1.1, 1.8))))


def bottle(rng: np.random.Generator) -> Mesh:
    """Return a bottle with a round shoulder."""
    t = np.linspace(0, 1, 129)
    neck = rng.uniform(0.14, 0.2)
    body = rng.uniform(0.42, 0.52)
    share = 1 / (1 + np.exp((t - rng.uniform(0.55, 0.65)) / 0.035))
    return hollow(np.stack([neck + (body - neck) * share, 2.3 * t], -1), WALL)


def flat_ring(rng: np.random.Generator) -> Mesh:
    """Return a torus that lies on the table."""
    minor = rng.uniform(0.12, 0.28)
    return meshes.ring(1 - minor, minor)


def upright_ring(rng: np.random.Generator) -> Mesh:
    """Return a torus that stands on a small plinth."""
    minor = rng.uniform(0.08, 0.2)
    lying = meshes.ring(0.9 - minor, minor)
    stand = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # y to -z: a rotation, so that fronts stay fronts
    vertices = (lying.vertices - (0, minor, 0)) @ stand.T + (0, 0.9 + 0.1, 0)
    standing = Mesh(vertices, lying.normals @ stand.T, lying.uv, lying.faces)
    plinth = meshes.box((0.35, 0.08, 0.25))
    return meshes.merged([standing, plinth])


def spring(rng: np.random.Generator) -> Mesh:
    """Return a thin wire wound up around the vertical."""
    turns, wire = rng.uniform(3, 5), rng.uniform(0.035, 0.06)
    t = np.linspace(0, 1, 400)
    angle = 2 * np.pi * turns * t
    radius = 0.55 - 0.2 * t
    curve = np.stack([radius * np.cos(angle), wire + 1.6 * t**1.2, radius * np.sin(angle)], -1)
    return meshes.tube(curve, wire)


def tripod(rng: np.random.Generator) -> Mesh:
    """Return three thin rods that lean against each other, with a small ball on top."""
    wire = rng.uniform(0.03, 0.05)
    angles = 2 * np.pi * (rng.random() + np.arange(3) / 3)
    feet = np.stack([0.7 * np.cos(angles), np.full(3, wire), 0.7 * np.sin(angles)], -1)
    top = np.array([0, 1.7, 0])
    rods = [meshes.tube(np.linspace(foot, top - 0.12 * (foot - top), 9), wire) for foot in feet]
    knob = ball(rng).placed(0.2, 0, (0, 1.75, 0))
    return meshes.merged([*rods, knob])


def shade(rng: np.random.Generator) -> Mesh:
    """Return a thin shell with rows of holes."""
    rows, columns = int(rng.integers(5, 8)), int(rng.integers(14, 20))
    fine = 6  # cells of the mesh for each hole and for each gap, along both directions
    t = np.linspace(0, 1, 2 * fine * rows + fine + 1)
    profile = np.stack([0.55 + 0.2 * np.sin(np.pi * (0.15 + 0.8 * t)), 1.5 * t], -1)
    down = (np.arange(len(t) - 1) // fine) % 2 == 1
    around = (np.arange(2 * fine * columns) // fine) % 2 == 1
    return meshes.revolved([profile], 2 * fine * columns, kept=~(down[:, None] & around))


def plant(rng: np.random.Generator) -> Mesh:
    """Return thin leaves that bend outwards from a small pot."""
    pot = hollow(line((0.28, 0), (0.36, 0.5)), WALL)
    count = int(rng.integers(6, 9))
    leaves = [
        _leaf(2 * np.pi * (k + rng.uniform(-0.2, 0.2)) / count, *rng.uniform((0.5, 1.0), (0.9, 1.7)))
        for k in range(count)
    ]
    return meshes.merged([pot, *leaves])


def _leaf(angle: float, reach: float, height: float) -> Mesh:
    """Return a leaf that grows in the direction of an angle: how far it reaches, and how high."""
    s, t = np.meshgrid(np.linspace(0, 1, 41), np.linspace(-1, 1, 17), indexing="ij")
    out = 0.1 + reach * s**1.6
    up = 0.4 + height * np.sin(0.75 * np.pi * s)
    width = 0.02 + 0.16 * np.sin(np.pi * s) ** 0.8
    lift = 0.08 * t**2 * np.sin(np.pi * s)  # the edges stand higher than the rib
    flat = np.stack([out, up + lift, width * t], -1)
    cos, sin = np.cos(angle), np.sin(angle)
    points = flat @ np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]]).T
    normals = np.cross(np.gradient(points, axis=0), np.gradient(points, axis=1))
    return meshes.grid(points, normals / np.linalg.norm(normals, axis=-1, keepdims=True))


GROUPS: dict[str, dict[str, Shape]] = {
    "solid": {"ball": ball, "block": block, "can": can},
    "revolved": {"vase": vase, "bowl": bowl, "cup": cup, "cone": cone, "bottle": bottle},
    "ring": {"flat_ring": flat_ring, "upright_ring": upright_ring},
    "thin": {"spring": spring, "tripod": tripod, "shade": shade, "plant": plant},
}
TWO_SIDED = {"shade", "plant"}  # kinds with sheets, which are seen from both sides
