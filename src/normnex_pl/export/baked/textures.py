"""What a model stores, as textures: evaluated at the centres of their texels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch

import torch
from jaxtyping import Float
from torch import Tensor

from normnex_pl.core.rendering import PlaneSamples
from normnex_pl.core.types import MPIGeometry
from normnex_pl.geometry.planes import canvas_grid
from normnex_pl.model.fields import Field, GridField
from normnex_pl.model.mpi import MPI

Size = tuple[int, int]  # height and width in texels

_SAMPLES_AT_ONCE = 1 << 20  # points on planes


@dataclass(frozen=True)
class TextureSizes:
    """Texels of the textures.

    Attributes:
        alpha: Of the planes.
        base_color: Of the layers.
        features: Of the layers.
    """

    alpha: Size
    base_color: Size
    features: Size


@singledispatch
def natural_sizes(field: Field, geometry: MPIGeometry) -> TextureSizes:
    """Return the sizes that a field's values have by themselves.

    A texel a pixel of the canvas, if it has none.
    """
    canvas = geometry.canvas_height, geometry.canvas_width
    return TextureSizes(canvas, _size(field.base_color.raw), canvas)


@natural_sizes.register
def _(field: GridField, geometry: MPIGeometry) -> TextureSizes:
    """Features are a texture; opacities have two texels along a cell of the finest grid.

    They are the sigmoid of what is read between the cells' centres, and a texture is read between sigmoids:
    with a texel a cell that blurs edges.
    """
    finest = max(field.alpha, key=lambda grid: grid.numel())
    height, width = _size(finest)
    return TextureSizes((2 * height, 2 * width), _size(field.base_color.raw), _size(field.features))


def _size(texture: Tensor) -> Size:
    return texture.shape[-2], texture.shape[-1]


def coarser(geometry: MPIGeometry, pixels: float) -> Size:
    """Return the size whose texels are so many pixels of the canvas wide."""
    height, width = geometry.canvas_height, geometry.canvas_width
    return max(1, round(height / pixels)), max(1, round(width / pixels))


def bake_alpha(mpi: MPI, size: Size) -> Float[Tensor, "plane 1 height width"]:
    """Opacities of the planes, without the background."""
    return _evaluate(mpi, size, lambda samples: mpi.field(samples).alpha[..., None])


def bake_base_color(mpi: MPI, size: Size) -> Float[Tensor, "layer 3 height width"]:
    """Base colours of the layers, as sRGB."""
    return _evaluate(mpi, size, lambda samples: mpi.field.base_color(samples.layers))


def bake_features(mpi: MPI, size: Size) -> Float[Tensor, "layer feature height width"]:
    """Raw features of the layers: activations come behind the reading, as in the live renderer."""
    return _evaluate(mpi, size, lambda samples: mpi.field(samples).features)


@torch.no_grad()
def _evaluate(mpi: MPI, size: Size, read: Callable[[PlaneSamples], Tensor]) -> Tensor:
    """Evaluate at all texels' centres; a ray here is a line of points at one place of the canvas."""
    grid = canvas_grid(*size, mpi.depths.device).flatten(0, 1)
    planes, layers = len(mpi.depths), mpi.num_layers
    result: Tensor | None = None
    start = 0
    for part in grid.split(max(1, _SAMPLES_AT_ONCE // planes)):
        on_planes = part[:, None].expand(-1, planes, -1)
        values = read(PlaneSamples(on_planes, on_planes[:, :layers])).float().permute(1, 2, 0)
        if result is None:  # the largest tensors of a bake: never twice in memory
            result = values.new_empty(*values.shape[:2], len(grid))
        result[..., start : start + len(part)] = values
        start += len(part)
    assert result is not None
    return result.unflatten(-1, size)
