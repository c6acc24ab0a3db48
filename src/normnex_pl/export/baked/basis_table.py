"""The basis functions as a table over their inputs, one class a query.

A table holds samples at the corners of its cells: its first and last samples lie at the ends of an axis. It
is interpolated (bi- or tri-)linearly, as a graphics card reads a texture at the coordinates
``(u (n - 1) + 0.5) / n`` for u in [0, 1].

Viewing direction: u = (v_x + 1) / 2, v = (v_y + 1) / 2.

Reflected direction r and cosine c = n . w_o: three dimensions, since r has unit length. u and v are those of
an octahedral map whose centre is r = (0, 0, -1), towards the reference camera: with s = |x| + |y| + |z|,
p = (x, y) / s where z <= 0, and p = (1 - |y| / s, 1 - |x| / s) with the signs of x and y where z > 0;
u = (p_x + 1) / 2, v = (p_y + 1) / 2, w = c. It has no poles, and points of its border that are one direction
hold one value, so that the interpolation is continuous everywhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import singledispatch
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.model.appearance import Basis, DirectionQuery, ReflectionQuery, ViewQuery
from normnex_pl.model.appearance.lookup import face_camera, reflect

Shape = tuple[int, ...]

# Largest error of a table: one 8-bit level of the functions' range [-1, 1]. The RMS error is a seventh of it.
TOLERANCE = 2 / 255
_CHECKED = 1 << 14  # random inputs at which the error is measured


class TableQuery(ABC):
    """The inputs of a table, and its lookup.

    Attributes:
        name: In the manifest.
        shapes: Tables to try, small to large; the slowest axis first.
    """

    name: ClassVar[Literal["view", "reflection"]]
    shapes: ClassVar[tuple[Shape, ...]]

    @abstractmethod
    def inputs(
        self, coordinates: Float[Tensor, "sample axis"]
    ) -> tuple[Float[Tensor, "sample 3"], Float[Tensor, "sample 1 3"] | None]:
        """Return viewing directions, and normals if the query has any, that lead to given coordinates.

        Args:
            coordinates: In [0, 1], the fastest axis first.
        """

    @abstractmethod
    def coordinates(
        self, viewdirs: Float[Tensor, "ray 3"], normals: Float[Tensor, "ray 3"] | None
    ) -> Float[Tensor, "ray axis"]:
        """Return where rays look the table up, in [0, 1], the fastest axis first."""


class ViewTable(TableQuery):
    """Two-dimensional, by v_x and v_y."""

    name = "view"
    shapes = ((65, 65), (129, 129), (257, 257), (513, 513))

    @override
    def inputs(
        self, coordinates: Float[Tensor, "sample axis"]
    ) -> tuple[Float[Tensor, "sample 3"], Float[Tensor, "sample 1 3"] | None]:
        xy = 2 * coordinates - 1
        # No direction leads to the corners of the table: z is zero there.
        z = (1 - xy.square().sum(dim=-1, keepdim=True)).clamp(min=0).sqrt()
        return torch.cat([xy, z], dim=-1), None

    @override
    def coordinates(
        self, viewdirs: Float[Tensor, "ray 3"], normals: Float[Tensor, "ray 3"] | None
    ) -> Float[Tensor, "ray axis"]:
        return (viewdirs[:, :2] + 1) / 2


class ReflectionTable(TableQuery):
    """Three-dimensional, by the reflected direction and n . w_o."""

    name = "reflection"
    shapes = ((17, 33, 33), (17, 65, 65), (33, 129, 129))

    @override
    def inputs(
        self, coordinates: Float[Tensor, "sample axis"]
    ) -> tuple[Float[Tensor, "sample 3"], Float[Tensor, "sample 1 3"] | None]:
        # A unit normal n with n . r = c reflects the unit vector v = r - 2 c n to r, and n . -v = c.
        reflected = octahedral_direction(coordinates[:, :2])
        cosines = coordinates[:, 2:]
        # Any vector perpendicular to r: r x e, with the axis e that is farthest from r.
        axis = F.one_hot(reflected.abs().argmin(dim=-1), 3).to(reflected.dtype)
        across = F.normalize(torch.linalg.cross(reflected, axis), dim=-1)
        normals = cosines * reflected + (1 - cosines.square()).clamp(min=0).sqrt() * across
        return reflected - 2 * cosines * normals, normals[:, None]

    @override
    def coordinates(
        self, viewdirs: Float[Tensor, "ray 3"], normals: Float[Tensor, "ray 3"] | None
    ) -> Float[Tensor, "ray axis"]:
        assert normals is not None
        facing = face_camera(normals, viewdirs)
        cosines = -(facing * viewdirs).sum(dim=-1, keepdim=True)
        return torch.cat([octahedral_coordinates(reflect(viewdirs, facing)), cosines], dim=-1).clamp(0, 1)


TABLES: dict[str, type[TableQuery]] = {table.name: table for table in (ViewTable, ReflectionTable)}


@singledispatch
def table_query(query: DirectionQuery) -> TableQuery:
    """Return the kind of table that a query needs.

    Raises:
        UserError: There is none.
    """
    raise UserError(
        f"model.basis.query: expected ViewQuery or ReflectionQuery, found {type(query).__name__}, "
        "which can't be baked. Register a table for it in export/baked/basis_table.py."
    )


@table_query.register
def _(query: ViewQuery) -> TableQuery:
    return ViewTable()


@table_query.register
def _(query: ReflectionQuery) -> TableQuery:
    return ReflectionTable()


def octahedral_coordinates(directions: Float[Tensor, "sample 3"]) -> Float[Tensor, "sample 2"]:
    """Map directions to the unit square, as defined in the module's docstring."""
    scaled = directions / directions.abs().sum(dim=-1, keepdim=True)
    xy, z = scaled[:, :2], scaled[:, 2:]
    folded = (1 - xy.abs().flip(-1)) * torch.where(xy < 0, -1.0, 1.0)
    return (torch.where(z > 0, folded, xy) + 1) / 2


def octahedral_direction(coordinates: Float[Tensor, "sample 2"]) -> Float[Tensor, "sample 3"]:
    """Map the unit square to unit vectors: the inverse of `octahedral_coordinates`."""
    p = 2 * coordinates - 1
    z = p.abs().sum(dim=-1, keepdim=True) - 1
    unfolded = (1 - p.abs().flip(-1)) * torch.where(p < 0, -1.0, 1.0)
    return F.normalize(torch.cat([torch.where(z > 0, unfolded, p), z], dim=-1), dim=-1)


def read_table(
    table: Float[Tensor, "basis *cells"], coordinates: Float[Tensor, "sample axis"]
) -> Float[Tensor, "sample basis"]:
    """Interpolate a table linearly.

    Args:
        table: Samples at the corners of cells.
        coordinates: In [0, 1], the fastest axis first.
    """
    grid = (2 * coordinates - 1).view(1, -1, *[1] * (table.ndim - 2), table.ndim - 1)
    values = F.grid_sample(table[None], grid, padding_mode="border", align_corners=True)
    return values.flatten(2)[0].T


@torch.no_grad()
def bake_table(
    basis: Basis, query: TableQuery, shape: Shape, device: torch.device
) -> Float[Tensor, "basis *cells"]:
    """Evaluate the functions on a grid, rounded to half precision."""
    axes = [torch.linspace(0, 1, size, device=device) for size in shape]
    grid = torch.stack([axis.flatten() for axis in torch.meshgrid(*axes, indexing="ij")][::-1], dim=-1)
    values = torch.cat([_evaluate(basis, query, part) for part in grid.split(1 << 16)])
    return values.T.reshape(-1, *shape).half().float()


@dataclass(frozen=True)
class FittedTable:
    """The basis functions of a model as a table.

    Attributes:
        query: How it is looked up.
        values: Samples, rounded to half precision.
        error: Largest difference to the functions that was measured.
    """

    query: TableQuery
    values: Float[Tensor, "basis *cells"]
    error: float


def fit_table(basis: Basis, query: TableQuery, device: torch.device) -> FittedTable:
    """Return the smallest table whose error is below `TOLERANCE`, or else the largest one."""
    for shape in query.shapes:
        table = bake_table(basis, query, shape, device)
        error = table_error(basis, query, table)
        if error <= TOLERANCE:
            break
    return FittedTable(query, table, error)


@torch.no_grad()
def table_error(basis: Basis, query: TableQuery, table: Float[Tensor, "basis *cells"]) -> float:
    """Return the largest difference between table and functions, at random places."""
    generator = torch.Generator().manual_seed(0)
    places = torch.rand(_CHECKED, table.ndim - 1, generator=generator).to(table.device)
    return float((read_table(table, places) - _evaluate(basis, query, places)).abs().max())


def _evaluate(
    basis: Basis, query: TableQuery, coordinates: Float[Tensor, "sample axis"]
) -> Float[Tensor, "sample basis"]:
    return basis(*query.inputs(coordinates))[:, 0].float()
