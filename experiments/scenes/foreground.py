"""The room behind the cameras, which a pane of glass mirrors: a far wall, a shelf with things, and lamps."""

from __future__ import annotations

import mitsuba as mi
import numpy as np

import shapes
import textures
from lights import lamp
from mesh_nodes import mesh_node
from nodes import Node, bitmap
from surfaces import plain, textured

WALL_Z = 3.4
SHELF_Z, SHELF_Y = 1.7, 0.15
COLOURS = ((230, 214, 180), (60, 84, 120), (206, 110, 72), (96, 140, 110))


def foreground(rng: np.random.Generator) -> dict[str, Node]:
    """Return shapes whose names begin with `room` or `lamp`, all at z > 1."""
    poster = textures.stripes(rng, 512, 1024, COLOURS, 14)
    place = mi.ScalarTransform4f().translate([0, 0.6, WALL_Z]).rotate([0, 1, 0], 180)
    nodes: dict[str, Node] = {
        "room_wall": {
            "type": "rectangle",
            "to_world": place.scale([3.2, 2.2, 1]),
            "bsdf": {"type": "diffuse", "reflectance": bitmap(poster)},
        },
        "room_shelf": {
            "type": "cube",
            "to_world": mi.ScalarTransform4f()
            .translate([0, SHELF_Y - 0.04, SHELF_Z])
            .scale([1.7, 0.04, 0.25]),
            "bsdf": plain(rng),
        },
    }
    for index, kind in enumerate(("vase", "ball", "block", "cone", "cup")):
        unit = next(group[kind] for group in shapes.GROUPS.values() if kind in group)(rng)
        scale = rng.uniform(0.2, 0.26) / max(unit.radius, unit.height / 2)
        mesh = unit.placed(scale, rng.uniform(0, 6), (-1.2 + 0.6 * index, SHELF_Y, SHELF_Z))
        nodes[f"room_{kind}"] = mesh_node(mesh, (plain, textured)[index % 2](rng))
    target = [0.0, -0.2, -1.4]
    nodes["lamp_bulb"] = lamp("disk", [0.12, 0.12], [-0.75, 1.05, 1.6], target, [1, 0.85, 0.6], 22)
    nodes["lamp_tube"] = lamp("rectangle", [0.5, 0.035], [0.55, 1.2, 1.9], target, [0.8, 0.92, 1], 22)
    nodes["lamp_wash"] = lamp("rectangle", [0.8, 0.3], [0, 2.4, -0.2], [0, 0.4, 2.6], [1, 0.95, 0.9], 60)
    return nodes
