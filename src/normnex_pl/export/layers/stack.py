"""Few flat pictures with base colours and opacities, from a baked multiplane image."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import MPIGeometry
from normnex_pl.export.baked.image import BakedMPI
from normnex_pl.geometry.planes import canvas_grid

_LEAST_ALPHA = 0.5 / 255  # what 8 bits round to nothing
_MARGIN = 1  # transparent texels around what a layer shows, so that its border is as soft as in the image


@dataclass(frozen=True)
class FlatLayer:
    """A picture that stands at one depth.

    Attributes:
        rgba: sRGB, not multiplied by the opacity, and the opacity; the colours go on where it is 0.
        disparity: Inverse depth of what each texel shows; the layer's own where it shows nothing.
        depth: Of the picture, in world units: the mean of its content, in disparity.
        left: Texels of the canvas to the left of the picture.
        top: Texels of the canvas above the picture.
    """

    rgba: UInt8[Tensor, "height width 4"]
    disparity: Float[Tensor, "height width"]
    depth: float
    left: int
    top: int


@dataclass(frozen=True)
class LayerStack:
    """Flat layers, front to back.

    Attributes:
        layers: Those that show anything.
        width: Texels of the canvas.
        height: Texels of the canvas.
        geometry: Of the multiplane image.
    """

    layers: tuple[FlatLayer, ...]
    width: int
    height: int
    geometry: MPIGeometry

    def corners(self, layer: FlatLayer) -> tuple[float, float, float, float]:
        """Return left, top, right and bottom of a layer in the reference frame, world units."""
        g = self.geometry
        height, width = layer.disparity.shape
        across, down = g.canvas_width / self.width, g.canvas_height / self.height
        x = [texel * across - g.padding - g.cx for texel in (layer.left, layer.left + width)]
        y = [texel * down - g.padding - g.cy for texel in (layer.top, layer.top + height)]
        to_world = (layer.depth / g.fx, layer.depth / g.fy)
        return x[0] * to_world[0], y[0] * to_world[1], x[1] * to_world[0], y[1] * to_world[1]


@torch.no_grad()
def stack_layers(baked: BakedMPI, count: int | None = None) -> LayerStack:
    """Composite consecutive planes to flat layers, as the reference camera sees them.

    Args:
        baked: The image.
        count: Number of layers; None for as many as the model has.

    Raises:
        UserError: There are fewer planes.
    """
    planes = len(baked.depths)
    count = len(baked.layer_depths) if count is None else count
    if not 1 <= count <= planes:
        raise UserError(f"--layers: expected 1 to {planes}, the planes of this image, found {count}.")
    grid = baked.base_color.grid
    ends = [round(i * planes / count) for i in range(count + 1)]
    layers = [_flat_layer(baked, range(*pair)) for pair in pairwise(ends)]
    shown = tuple(layer for layer in layers if layer is not None)
    return LayerStack(shown, grid.width, grid.height, baked.geometry)


def _flat_layer(baked: BakedMPI, planes: range) -> FlatLayer | None:
    """Composite some planes; None if they show nothing."""
    grid = baked.base_color.grid
    places = canvas_grid(grid.height, grid.width, baked.depths.device).flatten(0, 1)
    light = torch.ones_like(places[:, 0])
    colors, disparity = torch.zeros_like(light)[:, None].repeat(1, 3), torch.zeros_like(light)
    for plane in planes:
        alpha, base = baked.texels(plane, places)
        weights = light * alpha
        colors += weights[:, None] * base.clamp(0, 1)
        disparity += weights / baked.depths[plane]
        light = light * (1 - alpha)
    opacity = 1 - light
    opacity[opacity < _LEAST_ALPHA] = 0
    if not opacity.any():
        return None
    mean = float(disparity.sum() / opacity.sum())
    own = torch.where(opacity > 0, disparity / opacity.clamp(min=_LEAST_ALPHA), mean)
    shape = (grid.height, grid.width)
    opacity, own = opacity.view(shape), own.view(shape)
    rgb = extend_colors(colors.view(*shape, 3), opacity)
    top, bottom, left, right = _bounds(opacity > 0)
    rgba = torch.cat([rgb, opacity[..., None]], dim=-1)[top:bottom, left:right]
    codes = (rgba.clamp(0, 1) * 255).round().to(torch.uint8)
    return FlatLayer(codes, own[top:bottom, left:right], 1 / mean, left, top)


def extend_colors(
    colors: Float[Tensor, "height width 3"], opacity: Float[Tensor, "height width"]
) -> Float[Tensor, "height width 3"]:
    """Divide colours by opacities, and let them go on where nothing is opaque.

    Bilinear reading at the border of an opaque part mixes in colours of clear texels, which would be dark.
    Coarser and coarser means fill them (pull-push: Gortler et al., The lumigraph, 1996).

    Args:
        colors: Multiplied by the opacities.
        opacity: In [0, 1].
    """
    sums = torch.cat([colors, opacity[..., None]], dim=-1).movedim(-1, 0)[None]
    return _filled(sums)[0].movedim(0, -1)


def _filled(sums: Float[Tensor, "1 4 height width"]) -> Float[Tensor, "1 3 height width"]:
    weights = sums[:, 3:]
    known = sums[:, :3] / weights.clamp(min=1e-8)
    if bool((weights > 0).all()) or max(sums.shape[2:]) == 1:
        return known
    coarse = _filled(F.avg_pool2d(sums, 2, ceil_mode=True, count_include_pad=False))
    around = F.interpolate(coarse, size=sums.shape[2:], mode="bilinear", align_corners=False)
    return torch.where(weights > 0, known, around)


def _bounds(shown: Bool[Tensor, "height width"]) -> tuple[int, int, int, int]:
    """Return the first row, the one after the last, and the columns likewise, of what is shown."""
    rows, columns = (shown.any(dim=axis).nonzero()[:, 0] for axis in (1, 0))
    height, width = shown.shape
    return (
        max(0, int(rows[0]) - _MARGIN),
        min(height, int(rows[-1]) + 1 + _MARGIN),
        max(0, int(columns[0]) - _MARGIN),
        min(width, int(columns[-1]) + 1 + _MARGIN),
    )
