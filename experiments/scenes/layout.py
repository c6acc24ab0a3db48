"""Compose a rendered scene: a room, objects and lights, as mitsuba dictionaries.

World frame: x right, y up, z towards the photographer, arbitrary units. The cameras stand around the
origin and look down -z; the table is a plane of constant y, the wall one of constant z.
"""

from __future__ import annotations

import drjit as dr
import mitsuba as mi
import numpy as np
from numpy.typing import NDArray

from lights import LIGHTS
from objects import OBJECTS
from room import room

LABELS = {"wall": 0, "table": 1, "glossy": 2, "mirror": 3}


def build_scene(objects: str, lights: str, seed: int) -> mi.Scene:
    """Load a scene.

    Args:
        objects: a key of `OBJECTS`.
        lights: a key of `LIGHTS`.
        seed: seed of the textures.
    """
    rng = np.random.default_rng(seed)
    nodes = {**room(rng), **OBJECTS[objects](rng), **LIGHTS[lights]()}
    # In parallel or merged, the order of the shapes, and with it the noise, would vary from run to run.
    return mi.load_dict({"type": "scene", **nodes}, parallel=False, optimize=False)


def label_lookup(scene: mi.Scene) -> NDArray[np.int64]:
    """Return mask labels by mitsuba's `shape_index`, which is not the index in `scene.shapes()`.

    Returns:
        (largest index + 1,), values of `LABELS`, -1 for lights and unused indices.
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
