"""Compose a scene of the family from its description, as mitsuba's shapes and lights."""

from __future__ import annotations

import mitsuba as mi
import numpy as np

from arrangement import arrange, most_visible
from family import SceneDescription
from family_lights import LIGHTS, far_lamps
from foreground import foreground
from mesh_nodes import mesh_node
from nodes import Node, bitmap
from room import TABLE_Y, Extent, table, texels, wall
from shapes import TWO_SIDED
from surfaces import TABLES, object_materials, table_texture, wall_texture

USUAL = Extent()
DEEP = Extent(
    table_back=-7.6, table_half_width=4.6, wall_z=-9.6, wall_bottom=-2.4, wall_top=5.0, wall_half_width=6.6
)
DENSITIES = {USUAL: (850, 400), DEEP: (400, 160)}  # texels a world unit on the table and on the wall

# What each generator draws: an own one for each, so that a change of one part keeps the others.
THINGS, MATERIALS, TABLE, WALL, FOREGROUND = range(5)


def _background(description: SceneDescription) -> dict[str, Node]:
    """Return the table and the wall."""
    extent = DEEP if description.deep else USUAL
    wood, paint = DENSITIES[extent]
    top = table_texture(_generator(description, TABLE), *texels(extent.table_size, wood), wood)
    back = wall_texture(_generator(description, WALL), *texels(extent.wall_size, paint), paint)
    return {
        "wall": wall(extent, {"type": "diffuse", "reflectance": bitmap(back)}),
        "table": table(extent, TABLES[description.table](bitmap(top))),
    }


def _things(description: SceneDescription) -> dict[str, Node]:
    """Return what stands on the table."""
    things = arrange(_generator(description, THINGS), description.deep, description.pane)
    generator = _generator(description, MATERIALS)
    materials = object_materials(generator, len(things), most_visible(things))
    return {
        f"{label}_{thing.kind}": mesh_node(
            thing.mesh.placed(1, 0, (0, TABLE_Y, 0)), bsdf, two_sided=thing.kind in TWO_SIDED
        )
        for thing, (label, bsdf) in zip(things, materials, strict=True)
    }


def _generator(description: SceneDescription, part: int) -> np.random.Generator:
    return np.random.default_rng([description.seed, part])


def build(description: SceneDescription) -> mi.Scene:
    """Load a scene, without its pane (see `pane_light`); a variant of mitsuba must be active."""
    nodes = {**_background(description), **_things(description), **LIGHTS[description.light]()}
    if description.deep:
        nodes |= far_lamps()
    if description.pane is not None:
        nodes |= foreground(_generator(description, FOREGROUND))
    # In parallel or merged, the order of the shapes, and with it the noise, would vary from run to run.
    return mi.load_dict({"type": "scene", **nodes}, parallel=False, optimize=False)
