"""The gradient of the transmittance: it only falls along a ray, so that no target faces away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from normnex_pl.core.types import MPIGeometry, RayBatch, RenderOutput
from normnex_pl.geometry.planes import canvas_grid, metric_gradient, plane_depths, plane_spacing
from normnex_pl.model.compositing import composite_weights, transmittance
from normnex_pl.model.fields.texture import sample_layers
from normnex_pl.normals.base import NormalEstimator, unit_normals
from normnex_pl.normals.canvas import (
    bake_alpha,
    central_difference,
    check_cells,
    exact_filters,
    gaussian_blur,
)

if TYPE_CHECKING:
    from normnex_pl.model.mpi import MPI


class TransmittanceGradient(NormalEstimator):
    """n = +grad T by central differences, blurred, composited as sum w grad T and normalised last.

    T is that of the reference camera's rays, on a grid of the canvas; each ray reads the result where it
    meets a layer.

    Args:
        divisor: Canvas pixels along a cell of the grid.
        blur: Standard deviation of the Gaussian over the image, in cells.
        plane_blur: The same along the planes, in planes.
        every: Steps between two evaluations.

    Raises:
        UserError: An argument is out of range.
    """

    def __init__(
        self, divisor: int = 4, blur: float = 1.0, plane_blur: float = 1.0, every: int = 100
    ) -> None:
        super().__init__()
        check_cells(divisor, every)
        self.divisor = divisor
        self.blur = blur
        self.plane_blur = plane_blur
        self.every = every

    @override
    @torch.no_grad()
    def refresh(self, mpi: MPI) -> None:
        alpha = bake_alpha(mpi, self.divisor)
        with exact_filters(alpha.device):
            gradient = transmittance_gradient(alpha, mpi.geometry, self.blur, self.plane_blur)
        weights = composite_weights(alpha.movedim(0, -1)).movedim(-1, 0)
        on_layers = rearrange(
            weights[..., None] * gradient, "(layer sub) h w xyz -> layer sub xyz h w", layer=mpi.num_layers
        ).sum(dim=1)
        # A surface that lies across the border of two layers is one surface.
        with exact_filters(alpha.device):
            on_layers = gaussian_blur(on_layers.movedim(0, -1), 0.5).movedim(-1, 0)
        normals = unit_normals(on_layers.movedim(1, -1)).movedim(-1, 1)
        self.keep(normals)

    @override
    def forward(self, mpi: MPI, batch: RayBatch, rendered: RenderOutput) -> Float[Tensor, "triplet layer 3"]:
        if self.kept is None:
            self.refresh(mpi)
        assert self.kept is not None
        layers = mpi.intersect(batch.first_rays()).layers
        return unit_normals(sample_layers(self.kept, layers))


def transmittance_gradient(
    alpha: Float[Tensor, "plane height width"], geometry: MPIGeometry, blur: float, plane_blur: float
) -> Float[Tensor, "plane height width 3"]:
    """Return the gradient of T in the reference frame, per world unit.

    Args:
        alpha: On a grid of the canvas.
        geometry: The canvas and the planes.
        blur: Standard deviation over the image, in cells.
        plane_blur: Along the planes, in planes.
    """
    num_planes, height, width = alpha.shape
    before = transmittance(alpha.movedim(0, -1))
    # In the middle of a plane, so that the fall across it is centred on it.
    middle = before * (1 - 0.5 * alpha.movedim(0, -1))
    blurred = gaussian_blur(middle, plane_blur)
    blurred = gaussian_blur(blurred.movedim(1, -1), blur).movedim(-1, 1)
    blurred = gaussian_blur(blurred.movedim(0, -1), blur).movedim(-1, 0)
    by_index = central_difference(blurred)
    by_x = central_difference(blurred.movedim(1, -1)).movedim(-1, 1) * (width / 2)
    by_y = central_difference(blurred.movedim(0, -1)).movedim(-1, 0) * (height / 2)
    gradient = torch.stack([by_x, by_y, by_index], dim=-1)
    depths = plane_depths(geometry, num_planes).to(alpha.device)
    spacing = plane_spacing(geometry, num_planes, depths)
    grid = canvas_grid(height, width, alpha.device)[:, :, None].expand(-1, -1, num_planes, -1)
    return metric_gradient(gradient, grid, depths, spacing, geometry).movedim(2, 0)
