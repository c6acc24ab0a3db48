"""Turn a baked multiplane image into Gaussian splats: flat surfels that face the reference camera.

A texel that a view sees becomes a surfel. Along the depth, planes of a layer that no view of the capture
tells apart are composited first; on a plane, neighbours that look alike are joined. The colours that the
views see are fitted by spherical harmonics.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import Camera, Rays
from normnex_pl.export.baked.image import BakedMPI
from normnex_pl.export.baked.steps.visibility import viewpoints
from normnex_pl.export.splats.cells import Cells, Tolerance, group_planes, join_neighbours
from normnex_pl.export.splats.harmonics import HarmonicFit
from normnex_pl.export.splats.opacity import splat_opacities, splat_variances
from normnex_pl.export.splats.rasterisers import AntialiasedRasteriser, Rasteriser
from normnex_pl.export.splats.splats import Splats
from normnex_pl.export.splats.visibility import LightLeft
from normnex_pl.geometry.planes import canvas_grid, canvas_points

_MILLION = 1e6
_CHUNK = 1 << 15  # splats at once in the fit
_THICKNESS = 0.02  # of a splat along z, as a share of its width
_SCALE_STEPS = 16  # to a factor of e, as SPZ stores scales; opacities make up for the rounding
_MOST_VIEWS = 16  # that say what is seen, and in what colours
_LEAST_ALPHA = 0.5 / 255
_LEAST_PLANE = 1 / 1000  # weight below which a plane's texel is left out before planes are composited


@dataclass(frozen=True)
class SplatSettings:
    """How exact and how many splats are.

    Attributes:
        most: Splats at most, in millions; the heaviest are kept.
        threshold: Least share of a pixel, in any view, of a splat that is kept.
        color: Largest difference of colours that are joined, in [0, 1], in a splat of full weight.
        alpha: Largest difference of opacities that are joined.
        spread: How far planes may shift against each other between the middle and the outermost view and
            still be composited, in pixels.
        levels: How often 2 x 2 splats may be joined.
        opacity: Largest opacity of a splat.
        rasteriser: Draws the splats.
    """

    most: float = 5.0
    threshold: float = 1 / 256
    color: float = 2 / 255
    alpha: float = 0.1
    spread: float = 1.0
    levels: int = 3
    opacity: float = 0.99
    rasteriser: Rasteriser = AntialiasedRasteriser()  # noqa: RUF009 (it has no state)

    def __post_init__(self) -> None:
        """Raise a UserError if a number is out of range."""
        if not self.most > 0:
            raise UserError(f"--splats: expected a positive number of millions, found {self.most:g}.")


@dataclass(frozen=True)
class _Batch:
    """Cells of one layer as lists, before their colours are fitted.

    Attributes:
        layer: Index of the layer.
        coordinates: Canvas coordinates of the centres.
        depth: World units.
        alpha: Opacities.
        pitch: Canvas pixels between the cells' centres.
        weight: Largest share of a pixel.
        color: Base colours.
    """

    layer: int
    coordinates: Float[Tensor, "splat 2"]
    depth: Float[Tensor, "splat"]
    alpha: Float[Tensor, "splat"]
    pitch: float
    weight: Float[Tensor, "splat"]
    color: Float[Tensor, "splat 3"]


@torch.no_grad()
def convert(baked: BakedMPI, settings: SplatSettings, fit: HarmonicFit) -> Splats:
    """Turn a baked image into splats, back to front.

    Args:
        baked: The image, on the device that computes.
        settings: How exact and how many.
        fit: Fits the colours.
    """
    cameras = capture_cameras(baked)
    light = LightLeft(_some(viewpoints(cameras)), baked.geometry)
    spread = settings.spread / _pixels_a_disparity(baked, cameras)
    tolerance = Tolerance(settings.color, settings.alpha, spread)
    batches = []
    for layer in range(len(baked.layer_depths)):
        for cells in _layer_cells(baked, layer, light, settings.threshold, spread):
            levels = join_neighbours(cells, tolerance, settings.levels)
            listed = (_listed(baked, layer, one, level) for level, one in enumerate(levels))
            batches += [batch for batch in listed if len(batch.depth)]
    batches = _heaviest(batches, round(settings.most * _MILLION))
    if not batches:
        raise UserError("splats: expected an image that shows something, found an empty one. Train longer.")
    seen = _some(cameras)
    return Splats.join([_splats(baked, batch, seen, settings, fit) for batch in reversed(batches)])


def _some(cameras: list[Camera]) -> list[Camera]:
    """Return as many cameras as are looked through, evenly among all."""
    count = min(len(cameras), _MOST_VIEWS)
    return [cameras[i * len(cameras) // count] for i in range(count)]


def capture_cameras(baked: BakedMPI) -> list[Camera]:
    """Return the cameras of the training views."""
    photo, device = baked.manifest.camera, baked.depths.device
    K = torch.tensor([[photo.fx, 0, photo.cx], [0, photo.fy, photo.cy], [0, 0, 1]], device=device)
    poses = torch.tensor(baked.manifest.viewpoints, device=device)
    return [Camera(K, c2w, photo.width, photo.height) for c2w in poses]


def _layer_cells(
    baked: BakedMPI, layer: int, light: LightLeft, threshold: float, spread: float
) -> list[Cells]:
    """Composite the planes of a layer, and take their light from the views."""
    grid, device = baked.base_color.grid, baked.depths.device
    shape = (grid.height, grid.width)
    places = canvas_grid(*shape, device).flatten(0, 1)
    planes = range(layer * baked.sublayers, (layer + 1) * baked.sublayers)
    alphas, weights = [], []
    for plane in planes:
        alpha, base = baked.texels(plane, places)
        some = (alpha > _LEAST_ALPHA).nonzero()[:, 0]
        weight = torch.zeros_like(alpha)
        depth = float(baked.depths[plane])
        weight[some] = light.pass_plane(depth, alpha.view(shape), places[some], alpha[some])
        alphas.append(torch.where(weight >= _LEAST_PLANE, alpha, 0).view(shape))
        weights.append(weight.view(shape))
    disparities = 1 / baked.depths[planes.start : planes.stop]
    color = base.clamp(0, 1).view(*shape, 3)
    groups = group_planes(torch.stack(alphas), torch.stack(weights), disparities, color, spread)
    return [replace(cells, alpha=cells.alpha * (cells.weight >= threshold)) for cells in groups]


def _pixels_a_disparity(baked: BakedMPI, cameras: list[Camera]) -> float:
    """Return by how many pixels the outermost view shifts a point against one of a disparity smaller by 1."""
    farthest = torch.stack([camera.c2w[:2, 3] for camera in cameras]).norm(dim=1).max()
    return max(1e-6, float(farthest) * baked.geometry.fx)


def _listed(baked: BakedMPI, layer: int, cells: Cells, level: int) -> _Batch:
    """Return the cells of a grid that show something as lists."""
    grid = baked.base_color.grid
    width = 2**level
    row, column = cells.shown.nonzero().unbind(dim=-1)
    x = 2 * (column + 0.5) * width / grid.width - 1
    y = 2 * (row + 0.5) * width / grid.height - 1
    return _Batch(
        layer,
        torch.stack([x, y], dim=-1),
        1 / cells.disparity[row, column],
        cells.alpha[row, column],
        width * baked.geometry.canvas_width / grid.width,
        cells.weight[row, column],
        cells.color[row, column],
    )


def _heaviest(batches: list[_Batch], most: int) -> list[_Batch]:
    """Keep as many cells as there may be splats: those of the largest weight and area."""
    total = sum(len(batch.depth) for batch in batches)
    if total <= most:
        return batches
    importance = [batch.weight * batch.pitch**2 for batch in batches]
    least = torch.cat(importance).sort(descending=True).values[most - 1]
    kept = [_selected(batch, value >= least) for batch, value in zip(batches, importance, strict=True)]
    return [batch for batch in kept if len(batch.depth)]


def _selected(batch: _Batch, keep: Tensor) -> _Batch:
    return replace(
        batch,
        coordinates=batch.coordinates[keep],
        depth=batch.depth[keep],
        alpha=batch.alpha[keep],
        weight=batch.weight[keep],
        color=batch.color[keep],
    )


def _splats(
    baked: BakedMPI, batch: _Batch, cameras: list[Camera], settings: SplatSettings, fit: HarmonicFit
) -> Splats:
    """Return the splats of some cells."""
    means = canvas_points(batch.coordinates, batch.depth, baked.geometry)
    pixel = batch.depth / baked.geometry.fx  # world units
    drawn = (settings.opacity, settings.rasteriser)
    variance = splat_variances(batch.alpha, batch.pitch, settings.rasteriser.sizes, *drawn)
    scale = ((_SCALE_STEPS * (variance.sqrt() * pixel).log()).round() / _SCALE_STEPS).exp()
    opacity = splat_opacities(batch.alpha, (scale / pixel) ** 2, batch.pitch, *drawn)
    high = scale * baked.geometry.fx / baked.geometry.fy
    scales = torch.stack([scale, high, _THICKNESS * scale], dim=-1)
    parts = zip(means.split(_CHUNK), batch.color.split(_CHUNK), strict=True)
    sh = torch.cat([_fitted(baked, batch.layer, *part, cameras, fit) for part in parts])
    return Splats(means, scales, opacity, sh)


def _fitted(
    baked: BakedMPI,
    layer: int,
    means: Float[Tensor, "splat 3"],
    base: Float[Tensor, "splat 3"],
    cameras: list[Camera],
    fit: HarmonicFit,
) -> Float[Tensor, "splat 9 3"]:
    """Fit the colours that the views see."""
    directions, colors = [], []
    for camera in cameras:
        towards = means - camera.c2w[:, 3]
        specular, _ = baked.features_of(Rays(camera.c2w[:, 3].expand_as(towards), towards), layer)
        directions.append(F.normalize(towards, dim=-1))
        colors.append((base + specular).clamp(0, 1))
    return fit(torch.stack(directions, dim=1), torch.stack(colors, dim=1))
