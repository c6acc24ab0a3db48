"""Materials of a rendered scene: coated diffuse surfaces and metals."""

from __future__ import annotations

import numpy as np

import textures
from nodes import Node, bitmap, rgb


def coated(reflectance: Node, roughness: float, gloss: float = 0.5) -> Node:
    """Return a Lambertian base under a dielectric coat.

    A blend of a diffuse lobe and a Fresnel lobe of index 1.9, which reflects 10 % of the light at normal
    incidence and all of it at grazing angles. Unlike in a physical plastic, whose base is lit and seen
    through the coat, the diffuse part is the same from all viewpoints.

    Args:
        reflectance: texture of the base.
        roughness: GGX alpha of the coat.
        gloss: weight of the coat; the albedo is (1 - gloss) times the reflectance.
    """
    coat = {
        "type": "roughplastic",
        "distribution": "ggx",
        "alpha": roughness,
        "int_ior": 1.9,
        "diffuse_reflectance": rgb(0, 0, 0),
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


def object_materials(rng: np.random.Generator) -> dict[str, Node]:
    """Return the materials of the objects; the polished one is named `mirror`."""
    marble = textures.marble(rng, 512, 1024, (24, 62, 128), (236, 240, 246))
    speckle = textures.marble(rng, 512, 1024, (214, 148, 112), (246, 228, 206))
    bands = textures.stripes(
        rng, 512, 1024, ((240, 228, 205), (212, 84, 62), (240, 228, 205), (40, 110, 116)), 16
    )
    return {
        "red": coated(rgb(0.80, 0.045, 0.03), 0.02),
        "marble": coated(bitmap(marble), 0.035),
        "bands": coated(bitmap(bands), 0.08),
        "clay": coated(bitmap(speckle), 0.30),
        "green": coated(rgb(0.10, 0.42, 0.12), 0.15),
        "gold": metal("Au", 0.18),
        "mirror": metal("Ag", 0.0),
    }
