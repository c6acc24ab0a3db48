"""Objects that stand on the table. Names begin with the label of the mask: ``glossy`` or ``mirror``."""

from __future__ import annotations

from collections.abc import Callable

import mitsuba as mi
import numpy as np

from materials import object_materials
from nodes import Node, Vector
from room import TABLE_Y


def _rest(radius: float, x: float, z: float) -> mi.ScalarTransform4f:
    """Return the transform that scales a shape of unit radius and puts it on the table."""
    return mi.ScalarTransform4f().translate([x, TABLE_Y + radius, z]).scale(radius)


def _sphere(radius: float, x: float, z: float, bsdf: Node, roll: float = 0.0) -> Node:
    """Return a sphere on the table, the poles of its texture near the rim, turned by `roll` degrees."""
    turn = mi.ScalarTransform4f().rotate([0, 0, 1], roll).rotate([1, 0, 0], -105)
    return {"type": "sphere", "to_world": _rest(radius, x, z) @ turn, "bsdf": bsdf}


def spheres(rng: np.random.Generator) -> dict[str, Node]:
    """Return seven balls from matt to polished, between 1.1 and 3 units from the cameras."""
    material = object_materials(rng)
    return {
        "glossy_red": _sphere(0.095, -0.14, -1.20, material["red"]),
        "glossy_bands": _sphere(0.17, -0.46, -1.62, material["bands"], 35),
        "glossy_marble": _sphere(0.20, 0.47, -1.62, material["marble"], 20),
        "mirror_ball": _sphere(0.27, 0.03, -2.05, material["mirror"]),
        "glossy_gold": _sphere(0.26, -0.72, -2.50, material["gold"]),
        "glossy_clay": _sphere(0.33, 0.84, -2.62, material["clay"], 60),
        "glossy_green": _sphere(0.10, 0.24, -1.36, material["green"]),
    }


def _box(size: Vector, x: float, z: float, turn: float, bsdf: Node) -> Node:
    """Return a box on the table: half sizes (x, y, z), turned by some degrees about the vertical."""
    place = mi.ScalarTransform4f().translate([x, TABLE_Y + size[1], z])
    return {
        "type": "cube",
        "to_world": place.rotate([0, 1, 0], turn).scale(list(size)),
        "bsdf": bsdf,
    }


def _can(label: str, radius: float, height: float, x: float, z: float, bsdf: Node) -> dict[str, Node]:
    """Return an upright cylinder with a lid: two shapes."""
    bottom, top = [x, TABLE_Y, z], [x, TABLE_Y + height, z]
    lid = mi.ScalarTransform4f().translate(top).rotate([1, 0, 0], -90).scale(radius)
    return {
        f"{label}_side": {"type": "cylinder", "p0": bottom, "p1": top, "radius": radius, "bsdf": bsdf},
        f"{label}_lid": {"type": "disk", "to_world": lid, "bsdf": bsdf},
    }


def solids(rng: np.random.Generator) -> dict[str, Node]:
    """Return boxes, cans and two balls: edges, flat and curved mirrors."""
    material = object_materials(rng)
    return {
        "glossy_red": _box([0.08, 0.08, 0.08], -0.16, -1.25, 28, material["red"]),
        "glossy_marble": _box([0.15, 0.24, 0.15], 0.50, -1.75, -24, material["marble"]),
        **_can("glossy_bands", 0.13, 0.34, -0.48, -1.65, material["bands"]),
        **_can("mirror_can", 0.22, 0.62, 0.02, -2.20, material["mirror"]),
        "glossy_gold": _box([0.22, 0.30, 0.22], -0.80, -2.55, 40, material["gold"]),
        "glossy_clay": _sphere(0.33, 0.90, -2.70, material["clay"], 60),
        "glossy_green": _sphere(0.10, 0.22, -1.34, material["green"]),
    }


OBJECTS: dict[str, Callable[[np.random.Generator], dict[str, Node]]] = {
    "spheres": spheres,
    "solids": solids,
}
