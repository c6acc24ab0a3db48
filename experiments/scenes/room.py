"""The room of a rendered scene: a wall and a table."""

from __future__ import annotations

import mitsuba as mi
import numpy as np

import textures
from materials import coated
from nodes import Node, bitmap

TABLE_Y = -0.62
TABLE_BACK, TABLE_FRONT, TABLE_HALF_WIDTH = -3.2, 0.6, 2.4
WALL_Z = -4.8
WALL_BOTTOM, WALL_TOP, WALL_HALF_WIDTH = -1.7, 3.3, 4.2


def room(rng: np.random.Generator) -> dict[str, Node]:
    """Return the terrazzo wall and the polished table."""
    texels = 400
    width, height = 2 * WALL_HALF_WIDTH, WALL_TOP - WALL_BOTTOM
    wall = textures.terrazzo(rng, int(height * texels), int(width * texels), texels)
    texels = 850
    depth = TABLE_FRONT - TABLE_BACK
    wood = textures.planks(rng, int(depth * texels), int(2 * TABLE_HALF_WIDTH * texels), int(0.24 * texels))
    place = mi.ScalarTransform4f()
    return {
        "wall": {
            "type": "rectangle",
            "to_world": place.translate([0, (WALL_TOP + WALL_BOTTOM) / 2, WALL_Z]).scale(
                [WALL_HALF_WIDTH, height / 2, 1]
            ),
            "bsdf": {"type": "diffuse", "reflectance": bitmap(wall)},
        },
        "table": {
            "type": "rectangle",
            "to_world": place.translate([0, TABLE_Y, (TABLE_FRONT + TABLE_BACK) / 2])
            .rotate([1, 0, 0], -90)
            .scale([TABLE_HALF_WIDTH, depth / 2, 1]),
            "bsdf": coated(bitmap(wood), 0.03, gloss=0.7),
        },
    }
