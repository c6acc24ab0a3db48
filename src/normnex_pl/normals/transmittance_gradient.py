"""The gradient of the transmittance, which only falls along a ray, so that no target faces away."""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from normnex_pl.core.rendering import RenderOutput
from normnex_pl.core.types import RayBatch
from normnex_pl.geometry.layout import PlaneLayout
from normnex_pl.geometry.planes import canvas_grid, metric_gradient
from normnex_pl.model.compositing import composite_weights, transmittance
from normnex_pl.model.fields.texture import sample_layers
from normnex_pl.model.mpi import MPI
from normnex_pl.normals.base import NormalEstimator, unit_normals
from normnex_pl.normals.canvas import (
    bake_alpha,
    central_difference,
    check_cells,
    exact_filters,
    gaussian_blur,
)


class TransmittanceGradient(NormalEstimator):
    """n = +grad T by central differences, blurred, composited as sum w grad T and normalised last.

    T is the transmittance of the reference camera's rays, on a grid of the canvas; rays read the result where
    they meet the layers.

    Args:
        divisor: Canvas pixels along a cell of the grid.
        blur: Standard deviation of the Gaussian over the image, in cells.
        plane_blur: Standard deviation of the Gaussian across the planes, in planes.
        every: Steps between two estimates.

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
            gradient = transmittance_gradient(alpha, mpi.layout, self.blur, self.plane_blur)
        weights = composite_weights(alpha.movedim(0, -1)).movedim(-1, 0)
        on_layers = rearrange(
            weights[..., None] * gradient, "(layer sub) h w xyz -> layer sub xyz h w", layer=mpi.num_layers
        ).sum(dim=1)
        # A surface may extend across the border between two layers.
        with exact_filters(alpha.device):
            on_layers = gaussian_blur(on_layers.movedim(0, -1), 0.5).movedim(-1, 0)
        normals = unit_normals(on_layers.movedim(1, -1)).movedim(-1, 1)
        self.keep(normals)

    @override
    def forward(self, mpi: MPI, batch: RayBatch, rendered: RenderOutput) -> Float[Tensor, "triplet layer 3"]:
        layers = mpi.intersect(batch.first_rays()).layers
        return unit_normals(sample_layers(self.kept_for(mpi), layers))


def transmittance_gradient(
    alpha: Float[Tensor, "plane height width"], layout: PlaneLayout, blur: float, plane_blur: float
) -> Float[Tensor, "plane height width 3"]:
    """Return the gradient of T in the reference frame, per world unit.

    Args:
        alpha: Opacities on a grid of the canvas.
        layout: Planes and canvas.
        blur: Standard deviation over the image, in cells.
        plane_blur: Standard deviation across the planes, in planes.
    """
    num_planes, height, width = alpha.shape
    before = transmittance(alpha.movedim(0, -1))
    # At the middle of each plane, so that the fall across the plane is centred on it.
    middle = before * (1 - 0.5 * alpha.movedim(0, -1))
    blurred = gaussian_blur(middle, plane_blur)
    blurred = gaussian_blur(blurred.movedim(1, -1), blur).movedim(-1, 1)
    blurred = gaussian_blur(blurred.movedim(0, -1), blur).movedim(-1, 0)
    by_index = central_difference(blurred)
    by_x = central_difference(blurred.movedim(1, -1)).movedim(-1, 1) * (width / 2)
    by_y = central_difference(blurred.movedim(0, -1)).movedim(-1, 0) * (height / 2)
    gradient = torch.stack([by_x, by_y, by_index], dim=-1)
    depths = layout.depths.to(alpha.device)
    grid = canvas_grid(height, width, alpha.device)[:, :, None].expand(-1, -1, num_planes, -1)
    spacing = layout.spacing.to(alpha.device)
    return metric_gradient(gradient, grid, depths, spacing, layout.geometry).movedim(2, 0)
