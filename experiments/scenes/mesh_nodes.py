"""Meshes as nodes of mitsuba's scene dictionaries."""

from __future__ import annotations

import mitsuba as mi
import numpy as np

from meshes import Mesh
from nodes import Node


def mesh_node(mesh: Mesh, bsdf: Node, two_sided: bool = False) -> mi.Mesh:
    """Return a mesh as a shape; in a dictionary of nodes it stands like one of those.

    Args:
        mesh: in world units.
        bsdf: its material.
        two_sided: whether sheets of it are seen from behind.
    """
    properties = mi.Properties()
    properties["bsdf"] = mi.load_dict({"type": "twosided", "bsdf": bsdf} if two_sided else bsdf)
    shape = mi.Mesh("mesh", len(mesh.vertices), len(mesh.faces), properties, True, True)
    parameters = mi.traverse(shape)
    parameters["vertex_positions"] = np.ravel(mesh.vertices).astype(np.float32)
    parameters["vertex_normals"] = np.ravel(mesh.normals).astype(np.float32)
    parameters["vertex_texcoords"] = np.ravel(mesh.uv).astype(np.float32)
    parameters["faces"] = np.ravel(mesh.faces).astype(np.uint32)
    parameters.update()
    return shape
