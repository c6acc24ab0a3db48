"""Which tiles views can see: the largest weight that each has in any of their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor

from normnex_pl.core.types import Camera
from normnex_pl.export.baked.tiles import TileGrid, locate
from normnex_pl.geometry.cameras import image_rays
from normnex_pl.model.mpi import MPI

# A ray every so many pixels: tiles are tens of pixels wide.
_STEP = 2
# What a view may see beyond its photo, as a share of the photo's size on each side: held-out views stand
# between the training views, but look a little past their borders.
_MARGIN = 0.1
_UNSEEN = -1.0


@dataclass(frozen=True)
class TileGrids:
    """How textures are cut.

    Attributes:
        alpha: Of the planes.
        base_color: Of the layers.
        features: Of the layers.
    """

    alpha: TileGrid
    base_color: TileGrid
    features: TileGrid


@dataclass(frozen=True)
class TileWeights:
    """The largest weight of each tile in any pixel; negative where no ray came by.

    Of layers: the sum over the planes that show them in the pixel, of which it takes no more.

    Attributes:
        alpha: Of the planes.
        base_color: Of the layers.
        features: Of the layers.
    """

    alpha: Float[Tensor, "plane row column"]
    base_color: Float[Tensor, "layer base_row base_column"]
    features: Float[Tensor, "layer feature_row feature_column"]


def viewpoints(cameras: Sequence[Camera]) -> list[Camera]:
    """Return the cameras, and one between each of them and the nearest other.

    With a margin around the picture.
    """
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
    """Return a camera that sees more on all sides.

    By a share of its picture, with pixels ``step`` times as wide.
    """
    K = camera.K.clone()
    K[0, 2] += margin * camera.width
    K[1, 2] += margin * camera.height
    K[:2] /= step
    size = [max(1, round(pixels * (1 + 2 * margin) / step)) for pixels in (camera.width, camera.height)]
    return Camera(K, camera.c2w, size[0], size[1])


@torch.no_grad()
def tile_weights(
    mpi: MPI, cameras: Sequence[Camera], grids: TileGrids, chunk_size: int = 16384
) -> TileWeights:
    """Render views and keep the largest weight that each tile has in a pixel.

    Args:
        mpi: The model.
        cameras: See `viewpoints`, on the model's device.
        grids: How its textures are cut.
        chunk_size: Rays at once.
    """
    device = mpi.depths.device
    seen = [
        torch.full(grid.shape, _UNSEEN, device=device)
        for grid in (grids.alpha, grids.base_color, grids.features)
    ]
    for rays in (some for camera in cameras for some in image_rays(camera).split(chunk_size)):
        samples = mpi.intersect(rays)
        weights = mpi.shade(rays, samples, mpi.field(samples)).weights
        inside = (samples.planes.abs() <= 1).all(dim=-1)
        _largest(seen[0], grids.alpha, samples.planes, torch.where(inside, weights, _UNSEEN))
        # The planes of a layer read its texture, and what they show of a texel adds up in the pixel.
        of_layer = reduce(weights * inside, "ray (layer sub) -> ray layer", "sum", sub=mpi.sublayers)
        by_layer, known = (
            values.unflatten(1, (mpi.num_layers, mpi.sublayers)) for values in (samples.planes, inside)
        )
        for sub in range(mpi.sublayers):
            shown = torch.where(known[:, :, sub], of_layer, _UNSEEN)
            _largest(seen[1], grids.base_color, by_layer[:, :, sub], shown)
        _largest(seen[2], grids.features, samples.layers, torch.where(known.any(dim=-1), of_layer, _UNSEEN))
    return TileWeights(*seen)


def _largest(
    seen: Float[Tensor, "texture row column"],
    grid: TileGrid,
    coordinates: Float[Tensor, "ray texture 2"],
    weights: Float[Tensor, "ray texture"],
) -> None:
    """Raise the weights of tiles to those of the points that lie on them, in place."""
    row, column, _ = locate(grid, coordinates)
    texture = torch.arange(grid.textures, device=seen.device)
    index = ((texture * grid.rows + row) * grid.columns + column).flatten()
    seen.view(-1).scatter_reduce_(0, index.long(), weights.flatten(), "amax")
