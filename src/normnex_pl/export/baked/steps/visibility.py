"""Step 2 of a bake: find what views can see, as the largest weight of each tile in any of their pixels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor

from normnex_pl.core.types import Camera
from normnex_pl.export.baked.kinds import Kinds
from normnex_pl.export.baked.layout import TileGrid
from normnex_pl.export.baked.steps.rounding import texel_grid
from normnex_pl.export.baked.tiles import locate
from normnex_pl.geometry.cameras import image_rays
from normnex_pl.model.appearance import OpaqueLastPlane
from normnex_pl.model.mpi import MPI

# Pixels between rays: tiles are tens of pixels wide.
_STEP = 2
# How far a view sees beyond its photo, as a share of the photo's size on each side: held-out views stand
# between the training views, but look a little past their borders.
_MARGIN = 0.1
_UNSEEN = -1.0


@torch.no_grad()
def visible_weights(mpi: MPI, cameras: Sequence[Camera], grids: Kinds[TileGrid]) -> Kinds[Tensor]:
    """Find how much of each tile the training views and views between them can see.

    Args:
        mpi: The model.
        cameras: The training views', on the model's device.
        grids: How its textures are cut.

    Returns:
        The largest weight in any pixel, negative where no ray passed: of the tiles of opacities and features,
        ``[texture, row, column]``, and of the texels of base colours, ``[layer, height, width]``.
    """
    by_texel = Kinds(grids.alpha, texel_grid(grids.base_color), grids.features)
    weights = tile_weights(mpi, viewpoints(cameras), by_texel)
    if isinstance(mpi.background, OpaqueLastPlane):
        weights.alpha[-1] = _UNSEEN  # known without a texture
    return weights


def viewpoints(cameras: Sequence[Camera]) -> list[Camera]:
    """Return the cameras and one between each of them and its nearest neighbour, all with a margin."""
    centres = torch.stack([camera.c2w[:, 3] for camera in cameras])
    between = []
    if len(cameras) > 1:
        distances = torch.cdist(centres, centres).fill_diagonal_(torch.inf)
        for camera, nearest in zip(cameras, distances.argmin(dim=1).tolist(), strict=True):
            middle = (camera.c2w[:, 3] + centres[nearest]) / 2
            c2w = torch.cat([camera.c2w[:, :3], middle[:, None]], dim=1)
            between.append(Camera(camera.K, c2w, camera.width, camera.height))
    return [widened(camera, _MARGIN, _STEP) for camera in [*cameras, *between]]


def widened(camera: Camera, margin: float, step: int) -> Camera:
    """Widen a camera on all sides by a share of its picture, with pixels ``step`` times as wide."""
    K = camera.K.clone()
    K[0, 2] += margin * camera.width
    K[1, 2] += margin * camera.height
    K[:2] /= step
    size = [max(1, round(pixels * (1 + 2 * margin) / step)) for pixels in (camera.width, camera.height)]
    return Camera(K, camera.c2w, size[0], size[1])


@torch.no_grad()
def tile_weights(
    mpi: MPI, cameras: Sequence[Camera], grids: Kinds[TileGrid], chunk_size: int = 16384
) -> Kinds[Tensor]:
    """Render views and keep the largest weight that each tile has in a pixel.

    The weight of a layer's tile is the sum over the planes that show the layer in the pixel.

    Args:
        mpi: The model.
        cameras: See `viewpoints`, on the model's device.
        grids: How its textures are cut.
        chunk_size: Rays at once.

    Returns:
        Weights ``[texture, row, column]``; negative where no ray passed.
    """
    device = mpi.depths.device
    every = (grids.alpha, grids.base_color, grids.features)
    seen = Kinds(*(torch.full(grid.shape, _UNSEEN, device=device) for grid in every))
    with mpi.field.prepared():
        for rays in (some for camera in cameras for some in image_rays(camera).split(chunk_size)):
            samples = mpi.intersect(rays)
            weights = mpi.shade(rays, samples, mpi.field(samples)).stored_planes.weights
            inside = (samples.planes.abs() <= 1).all(dim=-1)
            _largest(seen.alpha, grids.alpha, samples.planes, torch.where(inside, weights, _UNSEEN))
            # The planes of a layer read one texture, and what they show of a texel adds up in the pixel.
            of_layer = reduce(weights * inside, "ray (layer sub) -> ray layer", "sum", sub=mpi.sublayers)
            by_layer, known = (
                values.unflatten(1, (mpi.num_layers, mpi.sublayers)) for values in (samples.planes, inside)
            )
            for sub in range(mpi.sublayers):
                shown = torch.where(known[:, :, sub], of_layer, _UNSEEN)
                _largest(seen.base_color, grids.base_color, by_layer[:, :, sub], shown)
            shown = torch.where(known.any(dim=-1), of_layer, _UNSEEN)
            _largest(seen.features, grids.features, samples.layers, shown)
    return seen


def _largest(
    seen: Float[Tensor, "texture row column"],
    grid: TileGrid,
    coordinates: Float[Tensor, "ray texture 2"],
    weights: Float[Tensor, "ray texture"],
) -> None:
    """Raise the weights of tiles in place to those of the points that lie on them."""
    row, column, _ = locate(grid, coordinates)
    texture = torch.arange(grid.textures, device=seen.device)
    index = ((texture * grid.rows + row) * grid.columns + column).flatten()
    seen.view(-1).scatter_reduce_(0, index.long(), weights.flatten(), "amax")
