"""Triangle meshes with smooth normals and texture coordinates, in plain arrays: grids, revolutions, tubes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Mesh:
    """Triangles whose vertices carry normals and texture coordinates; y is up.

    Attributes:
        vertices: (V, 3).
        normals: (V, 3), unit, on the side from which a face's corners run anticlockwise.
        uv: (V, 2), in [0, 1].
        faces: (F, 3), indices of vertices.
    """

    vertices: Array
    normals: Array
    uv: Array
    faces: NDArray[np.int64]

    @property
    def radius(self) -> float:
        """Radius of the smallest vertical cylinder around the y axis that holds the mesh."""
        return float(np.hypot(self.vertices[:, 0], self.vertices[:, 2]).max())

    @property
    def height(self) -> float:
        """Extent from y = 0 up."""
        return float(self.vertices[:, 1].max())

    def placed(self, scale: float, turn: float, position: Sequence[float]) -> Mesh:
        """Return the mesh scaled, turned about the y axis (radians), and moved."""
        cos, sin = np.cos(turn), np.sin(turn)
        rotation = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
        vertices = scale * self.vertices @ rotation.T + np.asarray(position)
        return Mesh(vertices, self.normals @ rotation.T, self.uv, self.faces)


def merged(meshes: Sequence[Mesh]) -> Mesh:
    """Return several meshes as one."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.uv for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]),
    )


def grid(points: Array, normals: Array, kept: NDArray[np.bool_] | None = None) -> Mesh:
    """Return a surface from a grid of its points.

    Args:
        points: (S, T, 3); the cross product of the steps along S and T is the front.
        normals: (S, T, 3), on the front.
        kept: (S - 1, T - 1), the cells that aren't holes; all if None.

    Returns:
        Two triangles a cell, without those of no area. T runs along the texture's u, S up along its v.
    """
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[:-1, 1:], index[1:, 1:]
    cells = np.stack([np.stack([a, b, c], -1), np.stack([c, b, d], -1)], 2)
    faces = cells[kept if kept is not None else np.ones((rows - 1, columns - 1), bool)].reshape(-1, 3)
    vertices = points.reshape(-1, 3)
    edges = vertices[faces[:, 1:]] - vertices[faces[:, :1]]
    faces = faces[np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=-1) > 1e-12]
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    return Mesh(vertices, normals.reshape(-1, 3), np.stack([u, v], -1).reshape(-1, 2), faces)


def _unit(vectors: Array) -> Array:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def revolved(pieces: Sequence[Array], segments: int = 128, kept: NDArray[np.bool_] | None = None) -> Mesh:
    """Return the surface that a profile sweeps around the y axis.

    Args:
        pieces: smooth parts of the profile, each (N, 2), N >= 3: radius and y. Seen along the profile, with y
            up, the front is on its right: an outer side runs up, an inner one down. Edges between two pieces
            stay sharp.
        segments: around the axis.
        kept: cells that aren't holes, see `grid`; the same for each piece.
    """
    angles = np.linspace(0, 2 * np.pi, segments + 1)
    around = np.stack([np.cos(angles), np.zeros_like(angles), np.sin(angles)], -1)
    up = np.array([0.0, 1.0, 0.0])
    meshes = []
    for piece in pieces:
        along = np.gradient(piece, axis=0, edge_order=2)
        side = _unit(np.stack([along[:, 1], -along[:, 0]], -1))
        points, normals = (
            profile[:, :1, None] * around + profile[:, 1:, None] * up for profile in (piece, side)
        )
        meshes.append(grid(points, normals, kept))
    return merged(meshes)


def ring(major: float, minor: float, segments: int = 160) -> Mesh:
    """Return a torus that lies on y = 0: radii of the ring and of its tube."""
    angles = np.linspace(0, 2 * np.pi, 65)[:, None]
    direction = np.concatenate([np.sin(angles), -np.cos(angles)], 1)
    return revolved([np.array([major, minor]) + minor * direction], segments)


def tube(curve: Array, radius: float, sides: int = 20) -> Mesh:
    """Return a wire along a curve (N, 3), with round ends.

    The cross sections are turned no more than the curve demands (parallel transport).
    """
    tangents = _unit(np.gradient(curve, axis=0, edge_order=2))
    across = np.cross(tangents[0], np.eye(3)[np.abs(tangents[0]).argmin()])
    frames = []
    for tangent in tangents:
        across = across - tangent * (tangent @ across)
        across /= np.linalg.norm(across)
        frames.append(across)
    first = np.array(frames)
    cap = np.linspace(0, np.pi / 2, 7)
    # Rings of the first cap, of the wire and of the last cap: index on the curve, slope of the normal.
    index = np.concatenate([np.zeros(6, int), np.arange(len(curve)), np.full(6, len(curve) - 1)])
    tilt = np.concatenate([cap[:-1] - np.pi / 2, np.zeros(len(curve)), cap[1:]])
    angles = np.linspace(0, 2 * np.pi, sides + 1)
    second = np.cross(tangents, first)
    radial = first[index, None] * np.cos(angles)[:, None] - second[index, None] * np.sin(angles)[:, None]
    normals = radial * np.cos(tilt)[:, None, None] + (tangents[index] * np.sin(tilt)[:, None])[:, None]
    return grid(curve[index][:, None] + radius * normals, normals)


def box(size: Sequence[float]) -> Mesh:
    """Return a box on y = 0: half sizes in x, y and z."""
    faces = []
    steps = np.array([-1.0, 1.0])
    for axis in range(3):
        for sign in (-1.0, 1.0):
            points = np.zeros((2, 2, 3))
            points[..., axis] = sign
            points[..., (axis + 1) % 3] = steps[:, None]
            points[..., (axis + 2) % 3] = sign * steps
            normals = np.zeros((2, 2, 3))
            normals[..., axis] = sign
            faces.append(grid((points + np.array([0, 1, 0])) * size, normals))
    return merged(faces)
