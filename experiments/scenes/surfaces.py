"""Materials and textures of the family of rendered scenes, drawn from a generator."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

import textures
from materials import coated, metal
from nodes import Node, bitmap, rgb
from textures import Colour

METALS = ("Au", "Cu", "Al")


def _colour(rng: np.random.Generator, value: tuple[float, float], saturation: tuple[float, float]) -> Colour:
    """Draw an sRGB colour of any hue, its value and saturation from ranges."""
    red, green, blue = colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value))
    return round(255 * red), round(255 * green), round(255 * blue)


def _plain(rng: np.random.Generator) -> Node:
    colour = np.array(_colour(rng, (0.35, 0.9), (0.3, 0.9))) / 255
    return rgb(*(float(channel) for channel in colour**2.2))


def _veins(rng: np.random.Generator) -> Node:
    dark, light = _colour(rng, (0.2, 0.5), (0.4, 0.9)), _colour(rng, (0.8, 0.97), (0.03, 0.3))
    return bitmap(textures.marble(rng, 512, 1024, dark, light))


def _bands(rng: np.random.Generator) -> Node:
    colours = tuple(_colour(rng, (0.3, 0.95), (0.1, 0.85)) for _ in range(3))
    return bitmap(textures.stripes(rng, 512, 1024, colours, int(rng.integers(8, 20))))


def polished_metal() -> Node:
    """Return a mirror."""
    return metal("Ag", 0.0)


def brushed_metal(rng: np.random.Generator) -> Node:
    """Return a rough metal, which has no diffuse part either."""
    return metal(METALS[rng.integers(len(METALS))], rng.uniform(0.1, 0.25))


def plain(rng: np.random.Generator) -> Node:
    """Return a coat, from polished to satin, over one colour."""
    return coated(_plain(rng), rng.choice([0.02, 0.05, 0.1, 0.2]), gloss=0.5)


def textured(rng: np.random.Generator) -> Node:
    """Return a coat, from polished to nearly matte, over veins or bands."""
    base = _veins(rng) if rng.random() < 0.5 else _bands(rng)
    return coated(base, rng.choice([0.03, 0.08, 0.15, 0.3]), gloss=0.5)


def object_materials(rng: np.random.Generator, count: int, mirror: int) -> list[tuple[str, Node]]:
    """Draw labels of the mask and materials for things: a mirror, a brushed metal, plain and textured ones.

    Args:
        rng: source of randomness.
        count: number of things, at least 2.
        mirror: index of the thing that is to be the mirror.
    """
    makers = [brushed_metal] + [(plain, textured)[index % 2] for index in range(count - 2)]
    drawn = [("glossy", makers[index](rng)) for index in rng.permutation(count - 1)]
    return [*drawn[:mirror], ("mirror", polished_metal()), *drawn[mirror:]]


def polished(base: Node) -> Node:
    """Return a table that mirrors what stands on it."""
    return coated(base, 0.03, gloss=0.7)


def satin(base: Node) -> Node:
    """Return a table with wide highlights and blurred mirror images."""
    return coated(base, 0.18, gloss=0.55)


def matte(base: Node) -> Node:
    """Return a table without highlights."""
    return {"type": "diffuse", "reflectance": base}


TABLES: dict[str, Callable[[Node], Node]] = {"polished": polished, "satin": satin, "matte": matte}


def table_texture(rng: np.random.Generator, height: int, width: int, texels: float) -> NDArray[np.uint8]:
    """Draw wooden planks or veined stone: rows, columns, and texels a world unit."""
    if rng.random() < 0.6:
        return textures.planks(rng, height, width, int(0.24 * texels))
    return textures.marble(
        rng, height, width, _colour(rng, (0.15, 0.35), (0.1, 0.5)), _colour(rng, (0.5, 0.8), (0.05, 0.3))
    )


def wall_texture(rng: np.random.Generator, height: int, width: int, texels: float) -> NDArray[np.uint8]:
    """Draw terrazzo, painted bands or cloudy plaster: rows, columns, and texels a world unit."""
    choice = rng.integers(3)
    if choice == 0:
        return textures.terrazzo(rng, height, width, texels)
    if choice == 1:
        colours = tuple(_colour(rng, (0.4, 0.85), (0.1, 0.5)) for _ in range(4))
        return textures.stripes(rng, height, width, colours, int(0.9 * height / texels) * 4)
    base = _colour(rng, (0.45, 0.6), (0.1, 0.4))
    return textures.marble(rng, height, width, base, _colour(rng, (0.65, 0.85), (0.05, 0.25)))
