"""What is in a rendered scene: objects, materials and lights, as mitsuba dictionaries.

World frame: x right, y up, z towards the photographer, arbitrary units. The cameras stand around the
origin and look down -z; the table is a plane of constant y, the wall one of constant z.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import drjit as dr
import mitsuba as mi
import numpy as np
from numpy.typing import NDArray

import textures

TABLE_Y = -0.62
TABLE_BACK, TABLE_FRONT, TABLE_HALF_WIDTH = -3.2, 0.6, 2.4
WALL_Z = -4.8
WALL_BOTTOM, WALL_TOP, WALL_HALF_WIDTH = -1.7, 3.3, 4.2

LABELS = {"wall": 0, "table": 1, "glossy": 2, "mirror": 3}

Node = dict[str, Any]
Vector = Sequence[float]


def _bitmap(image: NDArray[np.uint8]) -> Node:
    """Return a texture from sRGB texels (H, W, 3)."""
    return {"type": "bitmap", "bitmap": mi.Bitmap(np.ascontiguousarray(image)), "format": "fp16"}


def _rgb(*value: float) -> Node:
    return {"type": "rgb", "value": list(value)}


def coated(reflectance: Node, roughness: float, gloss: float = 0.5) -> Node:
    """Return a Lambertian base under a dielectric gloss.

    A blend of a diffuse lobe and a Fresnel lobe of index 1.9, which mirrors 10 % of the light head on and
    all of it at grazing angles. Unlike in a physical plastic, whose base sees its light through the coat,
    the diffuse part is the same from all viewpoints.

    Args:
        reflectance: texture of the base.
        roughness: GGX alpha of the gloss.
        gloss: weight of the gloss; the albedo is 1 - gloss times the reflectance.
    """
    coat = {
        "type": "roughplastic",
        "distribution": "ggx",
        "alpha": roughness,
        "int_ior": 1.9,
        "diffuse_reflectance": _rgb(0, 0, 0),
        "nonlinear": False,
    }
    base = {"type": "diffuse", "reflectance": reflectance}
    return {"type": "blendbsdf", "weight": gloss, "base": base, "coat": coat}


def metal(material: str, roughness: float) -> Node:
    """Return a conductor (a name of mitsuba's table); polished where the roughness is 0."""
    if roughness == 0:
        return {"type": "conductor", "material": material}
    return {
        "type": "roughconductor",
        "distribution": "ggx",
        "material": material,
        "alpha": roughness,
    }


def _rest(radius: float, x: float, z: float) -> mi.ScalarTransform4f:
    """Place a shape of unit radius, scaled, on the table."""
    return mi.ScalarTransform4f().translate([x, TABLE_Y + radius, z]).scale(radius)


def _sphere(radius: float, x: float, z: float, bsdf: Node, roll: float = 0.0) -> Node:
    """Return a sphere on the table, the poles of its texture at the rim, `roll` degrees from the vertical."""
    turn = mi.ScalarTransform4f().rotate([0, 0, 1], roll).rotate([1, 0, 0], -105)
    return {"type": "sphere", "to_world": _rest(radius, x, z) @ turn, "bsdf": bsdf}


def _materials(rng: np.random.Generator) -> dict[str, Node]:
    """Return the materials of the objects; the polished one is named `mirror`."""
    marble = textures.marble(rng, 512, 1024, (24, 62, 128), (236, 240, 246))
    speckle = textures.marble(rng, 512, 1024, (214, 148, 112), (246, 228, 206))
    bands = textures.stripes(
        rng, 512, 1024, ((240, 228, 205), (212, 84, 62), (240, 228, 205), (40, 110, 116)), 16
    )
    return {
        "red": coated(_rgb(0.80, 0.045, 0.03), 0.02),
        "marble": coated(_bitmap(marble), 0.035),
        "bands": coated(_bitmap(bands), 0.08),
        "clay": coated(_bitmap(speckle), 0.30),
        "green": coated(_rgb(0.10, 0.42, 0.12), 0.15),
        "gold": metal("Au", 0.18),
        "mirror": metal("Ag", 0.0),
    }


def spheres(rng: np.random.Generator) -> dict[str, Node]:
    """Seven balls from matt to polished, between 1.1 and 3 units from the cameras."""
    material = _materials(rng)
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
    """Boxes, cans and two balls: edges, flat mirrors and curved ones."""
    material = _materials(rng)
    return {
        "glossy_red": _box([0.08, 0.08, 0.08], -0.16, -1.25, 28, material["red"]),
        "glossy_marble": _box([0.15, 0.24, 0.15], 0.50, -1.75, -24, material["marble"]),
        **_can("glossy_bands", 0.13, 0.34, -0.48, -1.65, material["bands"]),
        **_can("mirror_can", 0.22, 0.62, 0.02, -2.20, material["mirror"]),
        "glossy_gold": _box([0.22, 0.30, 0.22], -0.80, -2.55, 40, material["gold"]),
        "glossy_clay": _sphere(0.33, 0.90, -2.70, material["clay"], 60),
        "glossy_green": _sphere(0.10, 0.22, -1.34, material["green"]),
    }


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
            "bsdf": {"type": "diffuse", "reflectance": _bitmap(wall)},
        },
        "table": {
            "type": "rectangle",
            "to_world": place.translate([0, TABLE_Y, (TABLE_FRONT + TABLE_BACK) / 2])
            .rotate([1, 0, 0], -90)
            .scale([TABLE_HALF_WIDTH, depth / 2, 1]),
            "bsdf": coated(_bitmap(wood), 0.03, gloss=0.7),
        },
    }


def _lamp(kind: str, size: Vector, position: Vector, target: Vector, radiance: Vector, gain: float) -> Node:
    """Return a one-sided area light that faces a target.

    Args:
        kind: `rectangle` or `disk`.
        size: half sizes in x and y.
        position: of its middle.
        target: a point on its axis.
        radiance: linear RGB.
        gain: multiplies the radiance.
    """
    frame = mi.ScalarTransform4f().look_at(list(position), list(target), [0, 1, 0.01])
    power = gain * float(np.mean(radiance)) * 4 * size[0] * size[1]
    emitter = {
        "type": "area",
        "radiance": _rgb(*(gain * value for value in radiance)),
        "sampling_weight": power**0.5,  # the root: near, small lamps matter too
    }
    return {"type": kind, "to_world": frame.scale([size[0], size[1], 1]), "emitter": emitter}


def _ambience(gain: float) -> Node:
    bitmap = mi.Bitmap(gain * textures.sky(64, 128))
    return {"type": "envmap", "bitmap": bitmap, "sampling_weight": 3.5}


def studio() -> dict[str, Node]:
    """Return a warm soft box, a cool round lamp, a strip and a spot before the wall."""
    middle, wood = [0, -0.5, -2.1], [0.1, TABLE_Y, -1.4]
    return {
        "ambience": _ambience(1.4),
        "lamp_key": _lamp("rectangle", [0.7, 0.5], [-1.9, 2.1, 0.0], middle, [1, 0.86, 0.70], 23),
        "lamp_cool": _lamp("disk", [0.42, 0.42], [2.2, 1.3, -0.5], middle, [0.62, 0.80, 1], 15),
        "lamp_top": _lamp("disk", [0.5, 0.5], [0.5, 2.4, -2.6], middle, [1, 0.95, 0.88], 14),
        "lamp_strip": _lamp("rectangle", [0.8, 0.05], [0.7, 1.25, -4.0], wood, [1, 0.93, 0.82], 9),
        "lamp_spot": _lamp("disk", [0.13, 0.13], [-0.8, 1.25, -3.9], wood, [1, 0.72, 0.42], 9),
    }


def window() -> dict[str, Node]:
    """Four panes of daylight on the left, a small warm lamp on the right."""
    middle = [0, -0.5, -2.1]
    panes = {
        f"lamp_pane_{row}{column}": _lamp(
            "rectangle",
            [0.32, 0.40],
            [-2.4, 1.0 + 0.95 * row, -1.9 + 0.8 * column],
            [0, 0.6 + 0.95 * row, -1.9 + 0.8 * column],
            [0.80, 0.92, 1],
            26,
        )
        for row in range(2)
        for column in range(2)
    }
    return {
        "ambience": _ambience(1.7),
        **panes,
        "lamp_warm": _lamp("disk", [0.22, 0.22], [1.7, 1.1, -0.6], middle, [1, 0.66, 0.34], 40),
        "lamp_back": _lamp("disk", [0.2, 0.2], [0.3, 1.3, -3.9], middle, [1, 0.9, 0.8], 9),
    }


OBJECTS: dict[str, Callable[[np.random.Generator], dict[str, Node]]] = {
    "spheres": spheres,
    "solids": solids,
}
LIGHTS: dict[str, Callable[[], dict[str, Node]]] = {"studio": studio, "window": window}


def build_scene(objects: str, lights: str, seed: int) -> mi.Scene:
    """Load a scene.

    Args:
        objects: a key of `OBJECTS`.
        lights: a key of `LIGHTS`.
        seed: seed of the textures.
    """
    rng = np.random.default_rng(seed)
    nodes = {**room(rng), **OBJECTS[objects](rng), **LIGHTS[lights]()}
    # Loaded in parallel or merged, the shapes' order and so the noise would change from run to run.
    return mi.load_dict({"type": "scene", **nodes}, parallel=False, optimize=False)


def label_lookup(scene: mi.Scene) -> NDArray[np.int64]:
    """Mask labels by mitsuba's `shape_index`, which is not the place in `scene.shapes()`.

    Returns:
        (largest index + 1,), values of `LABELS`, -1 for lights and for what isn't a shape.
    """
    shapes = scene.shapes()
    if mi.variant().startswith("scalar"):
        indices = range(1, len(shapes) + 1)
    else:
        indices = [dr.reinterpret_array(mi.UInt32, mi.ShapePtr(shape))[0] for shape in shapes]
    lookup = np.full(max(indices) + 1, -1)
    for index, shape in zip(indices, shapes, strict=True):
        lookup[index] = LABELS.get(shape.id().split("_")[0], -1)
    return lookup
