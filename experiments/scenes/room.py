"""The room of a rendered scene: a wall and a table."""

from __future__ import annotations

from dataclasses import dataclass

import mitsuba as mi
import numpy as np

import textures
from materials import coated
from nodes import Node, bitmap

TABLE_Y = -0.62
TABLE_BACK, TABLE_FRONT, TABLE_HALF_WIDTH = -3.2, 0.6, 2.4
WALL_Z = -4.8
WALL_BOTTOM, WALL_TOP, WALL_HALF_WIDTH = -1.7, 3.3, 4.2


@dataclass(frozen=True)
class Extent:
    """Where the table and the wall end, in world units.

    Attributes:
        table_back: z of the table's far edge.
        table_half_width: in x.
        wall_z: of the wall.
        wall_bottom: y of its lower edge.
        wall_top: y of its upper edge.
        wall_half_width: in x.
    """

    table_back: float = TABLE_BACK
    table_half_width: float = TABLE_HALF_WIDTH
    wall_z: float = WALL_Z
    wall_bottom: float = WALL_BOTTOM
    wall_top: float = WALL_TOP
    wall_half_width: float = WALL_HALF_WIDTH

    @property
    def wall_size(self) -> tuple[float, float]:
        """Height and width of the wall."""
        return self.wall_top - self.wall_bottom, 2 * self.wall_half_width

    @property
    def table_size(self) -> tuple[float, float]:
        """Depth and width of the table."""
        return TABLE_FRONT - self.table_back, 2 * self.table_half_width


def wall(extent: Extent, bsdf: Node) -> Node:
    """Return the wall behind the table."""
    middle = (extent.wall_top + extent.wall_bottom) / 2
    place = mi.ScalarTransform4f().translate([0, middle, extent.wall_z])
    scale = [extent.wall_half_width, extent.wall_size[0] / 2, 1]
    return {"type": "rectangle", "to_world": place.scale(scale), "bsdf": bsdf}


def table(extent: Extent, bsdf: Node) -> Node:
    """Return the table top."""
    place = mi.ScalarTransform4f().translate([0, TABLE_Y, (TABLE_FRONT + extent.table_back) / 2])
    scale = [extent.table_half_width, extent.table_size[0] / 2, 1]
    return {"type": "rectangle", "to_world": place.rotate([1, 0, 0], -90).scale(scale), "bsdf": bsdf}


def texels(size: tuple[float, float], per_unit: float) -> tuple[int, int]:
    """Return rows and columns of a texture for a size (height, width) in world units."""
    return int(size[0] * per_unit), int(size[1] * per_unit)


def room(rng: np.random.Generator) -> dict[str, Node]:
    """Return the terrazzo wall and the polished table of the demo."""
    extent = Extent()
    chips = textures.terrazzo(rng, *texels(extent.wall_size, 400), 400)
    wood = textures.planks(rng, *texels(extent.table_size, 850), int(0.24 * 850))
    return {
        "wall": wall(extent, {"type": "diffuse", "reflectance": bitmap(chips)}),
        "table": table(extent, coated(bitmap(wood), 0.03, gloss=0.7)),
    }
