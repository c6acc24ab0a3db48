"""Photos of a small textured world by ray casting: an oracle that shares no code with the package."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pycolmap
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Card:
    """A textured parallelogram: corner and sides in the world, and its texture."""

    corner: Array
    u: Array
    v: Array
    texture: Array


@cache
def texture(seed: int, texels: int) -> Array:
    """Return smooth blobs of all sizes and colours, features for SIFT. [texel, texel, 3], 0 to 255."""
    rng = np.random.default_rng(seed)
    layers = [
        sigma * gaussian_filter(rng.normal(size=(texels, texels, 3)), (sigma, sigma, 0), mode="wrap")
        for sigma in (1.5, 3, 6, 12)
    ]
    total = np.sum(layers, axis=0)
    return np.clip(128 + 45 * total / total.std(), 20, 235)


def card(corner: tuple[float, ...], u: tuple[float, ...], v: tuple[float, ...], seed: int) -> Card:
    """Return a card with a texture of its own, of about as many texels as a photo shows of it."""
    sides = np.array(u, float), np.array(v, float)
    texels = int(120 * max(np.linalg.norm(side) for side in sides) ** 0.6)
    return Card(np.array(corner, float), *sides, texture(seed, texels))


def room() -> list[Card]:
    """Return a wall at depth 6, a floor, and cards at depths 2.5 to 4.5, seen from the origin along z."""
    return [
        card((-6, -5, 6), (12, 0, 0), (0, 10, 0), 1),
        card((-6, 1.5, 1), (12, 0, 0), (0, 0, 5), 2),
        card((-1.3, -0.6, 2.6), (0.9, 0, 0.2), (0, 1.1, 0), 3),
        card((0.3, -0.2, 3.2), (1.2, 0, -0.3), (0, 1.4, 0), 4),
        card((-0.5, -1.6, 4.4), (1.4, 0, 0), (0, 1.2, 0.3), 5),
    ]


def box_on_floor() -> list[Card]:
    """Return a cube of side 1 about the origin (y down), on a floor."""
    a, b = -0.5, 0.5
    return [
        card((-4, b, -4), (8, 0, 0), (0, 0, 8), 11),
        card((a, a, a), (1, 0, 0), (0, 1, 0), 12),
        card((a, a, b), (1, 0, 0), (0, 1, 0), 13),
        card((a, a, a), (0, 0, 1), (0, 1, 0), 14),
        card((b, a, a), (0, 0, 1), (0, 1, 0), 15),
        card((a, a, a), (1, 0, 0), (0, 0, 1), 16),
    ]


def look_at(position: Array, target: Array) -> Array:
    """Return camera to world [3, 4] in OpenCV axes; the world's y points down."""
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross([0.0, 1.0, 0.0], forward)
    right /= np.linalg.norm(right)
    return np.column_stack([right, np.cross(forward, right), forward, position])


def facing_cameras(count: int, seed: int = 0) -> Array:
    """Return cameras that look at the room from an area of 1 x 0.8, a little jittered. [view, 3, 4]"""
    rng = np.random.default_rng(seed)
    columns = int(np.ceil(np.sqrt(count)))
    cells = np.stack(np.meshgrid(np.arange(columns), np.arange(columns)), axis=-1).reshape(-1, 2)[:count]
    places = (cells / (columns - 1) - 0.5) * [1.0, 0.8] + rng.uniform(-0.05, 0.05, (count, 2))
    targets = rng.uniform(-0.3, 0.3, (count, 2))
    depths = rng.uniform(-0.1, 0.1, count)
    return np.stack(
        [
            look_at(np.array([x, y, z]), np.array([tx, ty, 4.0]))
            for (x, y), z, (tx, ty) in zip(places, depths, targets, strict=True)
        ]
    )


def orbit_cameras(count: int, radius: float = 2.6, height: float = 1.3) -> Array:
    """Return cameras on a circle about the origin, above it, that look at it. [view, 3, 4]"""
    angles = 2 * np.pi * np.arange(count) / count
    places = np.stack([radius * np.sin(angles), np.full(count, -height), radius * -np.cos(angles)], axis=1)
    return np.stack([look_at(place, np.zeros(3)) for place in places])


def lens(width: int, height: int, focal: float, k1: float = 0.0) -> pycolmap.Camera:
    """Return COLMAP's own camera, with one coefficient of distortion."""
    camera = pycolmap.Camera.create_from_model_name(1, "SIMPLE_RADIAL", focal, width, height)
    camera.params = [focal, width / 2, height / 2, k1]
    return camera


def render(camera: pycolmap.Camera, c2w: Array, cards: list[Card]) -> NDArray[np.uint8]:
    """Return the picture that a camera takes, one ray a pixel. [height, width, 3]"""
    x, y = np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5
    pixels = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    directions = np.column_stack([camera.cam_from_img(pixels), np.ones(len(pixels))]) @ c2w[:, :3].T
    nearest = np.full(len(pixels), np.inf)
    colors = np.full((len(pixels), 3), 128.0)
    for one in cards:
        # corner + a u + b v = position + t direction
        normal = np.cross(one.u, one.v)
        to_sides = np.linalg.pinv(np.stack([one.u, one.v], axis=1))
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (one.corner - c2w[:, 3]) @ normal / (directions @ normal)
            start = to_sides @ (c2w[:, 3] - one.corner)
            a, b = start[:, None] + t * (to_sides @ directions.T)
            seen = (t > 0) & (t < nearest) & (a >= 0) & (a <= 1) & (b >= 0) & (b <= 1)
        nearest[seen] = t[seen]
        places = np.stack([b[seen], a[seen]]) * (len(one.texture) - 1)
        for channel in range(3):
            colors[seen, channel] = map_coordinates(one.texture[..., channel], places, order=1)
    return np.rint(colors.reshape(camera.height, camera.width, 3)).astype(np.uint8)


def align(found: Array, true: Array) -> tuple[float, Array, Array]:
    """Return scale, rotation, translation that take positions to the true ones (Umeyama 1991)."""
    p, q = found - found.mean(axis=0), true - true.mean(axis=0)
    left, values, right = np.linalg.svd(q.T @ p)
    sign = np.diag([1, 1, np.sign(np.linalg.det(left @ right))])
    rotation = left @ sign @ right
    scale = float((values * np.diag(sign)).sum() / (p**2).sum())
    return scale, rotation, true.mean(axis=0) - scale * rotation @ found.mean(axis=0)
