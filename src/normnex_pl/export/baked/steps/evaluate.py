"""Step 1 of a bake: evaluate what a model stores at the centres of texels, and its basis as a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch

import torch
from jaxtyping import Float
from torch import Tensor

from normnex_pl.core.errors import UserError
from normnex_pl.core.rendering import PlaneSamples
from normnex_pl.core.types import MPIGeometry
from normnex_pl.export.baked.basis_table import FittedTable, fit_table, table_query
from normnex_pl.export.baked.kinds import Kinds
from normnex_pl.export.baked.layout import TileGrid
from normnex_pl.geometry.planes import canvas_grid
from normnex_pl.model.fields import Field, GridField
from normnex_pl.model.mpi import MPI

Size = tuple[int, int]  # height and width in texels

# Pixels of the canvas along a tile, about, so that sparse planes store little around what is seen of them;
# and the numbers of texels that a tile may have along its side.
_TILE_PIXELS = 64
_TILE_SIZES = (16, 32, 64)
_SAMPLES_AT_ONCE = 1 << 20  # points on planes


@dataclass(frozen=True)
class Evaluated:
    """A model's values in floating point.

    Attributes:
        textures: Opacities ``[plane, 1, height, width]`` without the background, base colours as sRGB
            ``[layer, 3, height, width]``, and raw features ``[layer, feature, height, width]``: activations
            follow the reading of a texture, as in the live renderer.
        basis: The basis functions.
    """

    textures: Kinds[Tensor]
    basis: FittedTable


def plan_textures(mpi: MPI, alpha_pixels: float | None, feature_pixels: float | None) -> Kinds[TileGrid]:
    """Choose the sizes of textures and tiles.

    Args:
        mpi: The model.
        alpha_pixels: Pixels of the canvas along a texel of the opacities; None for the field's resolution.
        feature_pixels: Pixels of the canvas along a texel of the features; None likewise.
    """
    natural = natural_sizes(mpi.field, mpi.geometry)
    alpha = natural.alpha if alpha_pixels is None else coarser(mpi.geometry, alpha_pixels)
    features = natural.features if feature_pixels is None else coarser(mpi.geometry, feature_pixels)
    return Kinds(
        _grid(mpi, len(mpi.depths), alpha),
        _grid(mpi, mpi.num_layers, natural.base_color),
        _grid(mpi, mpi.num_layers, features),
    )


@torch.no_grad()
def evaluate(mpi: MPI, grids: Kinds[TileGrid]) -> Evaluated:
    """Evaluate a model at the centres of texels.

    Raises:
        UserError: Values aren't finite, or the basis can't be tabulated.
    """
    basis = fit_table(mpi.basis, table_query(mpi.basis.query), mpi.depths.device)
    with mpi.field.prepared():
        textures = Kinds(
            _evaluate(mpi, grids.alpha, lambda samples: mpi.field(samples).alpha[..., None]),
            _evaluate(mpi, grids.base_color, lambda samples: mpi.field.base_color(samples.layers)),
            _evaluate(mpi, grids.features, lambda samples: mpi.field(samples).features),
        )
    every = (textures.alpha, textures.base_color, textures.features)
    if not all(bool(values.isfinite().all()) for values in every):
        raise UserError(
            "the model: expected finite opacities, colours and features, found others. Training diverged: "
            "train again with lower learning rates."
        )
    return Evaluated(textures, basis)


@singledispatch
def natural_sizes(field: Field, geometry: MPIGeometry) -> Kinds[Size]:
    """Return the resolution at which a field stores its values, or that of the canvas if it has none."""
    canvas = geometry.canvas_height, geometry.canvas_width
    return Kinds(canvas, _size(field.base_color.raw), canvas)


@natural_sizes.register
def _(field: GridField, geometry: MPIGeometry) -> Kinds[Size]:
    """Return the features' own texture, and two texels of opacity along a cell of the finest grid.

    The live renderer applies the sigmoid after it interpolates between the cells' centres, a baked texture is
    interpolated between sigmoids: with one texel a cell that blurs edges.
    """
    finest = max(field.alpha, key=lambda grid: grid.numel())
    height, width = _size(finest)
    return Kinds((2 * height, 2 * width), _size(field.base_color.raw), _size(field.features))


def coarser(geometry: MPIGeometry, pixels: float) -> Size:
    """Return the size of a texture whose texels are ``pixels`` of the canvas wide."""
    height, width = geometry.canvas_height, geometry.canvas_width
    return max(1, round(height / pixels)), max(1, round(width / pixels))


def _size(texture: Tensor) -> Size:
    return texture.shape[-2], texture.shape[-1]


def _grid(mpi: MPI, textures: int, size: Size) -> TileGrid:
    texels = _TILE_PIXELS * size[1] / mpi.geometry.canvas_width
    tile = next((tile for tile in _TILE_SIZES if tile >= texels), _TILE_SIZES[-1])
    return TileGrid(textures, *size, tile)


def _evaluate(
    mpi: MPI, grid: TileGrid, read: Callable[[PlaneSamples], Tensor]
) -> Float[Tensor, "texture channel height width"]:
    """Evaluate at all texels' centres; a ray here is a line of points at one place of the canvas."""
    size = grid.height, grid.width
    places = canvas_grid(*size, mpi.depths.device).flatten(0, 1)
    planes, layers = len(mpi.depths), mpi.num_layers
    result: Tensor | None = None
    start = 0
    for part in places.split(max(1, _SAMPLES_AT_ONCE // planes)):
        on_planes = part[:, None].expand(-1, planes, -1)
        values = read(PlaneSamples(on_planes, on_planes[:, :layers])).float().permute(1, 2, 0)
        if result is None:  # the largest tensors of a bake: never twice in memory
            result = values.new_empty(*values.shape[:2], len(places))
        result[..., start : start + len(part)] = values
        start += len(part)
    assert result is not None
    return result.unflatten(-1, size)
