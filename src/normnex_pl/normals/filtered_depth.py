"""Approach 3 on the whole canvas: the surface that a filtered depth map spans."""

from __future__ import annotations

import torch
from jaxtyping import Float
from kornia.filters import gaussian_blur2d, median_blur
from torch import Tensor
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.core.rendering import RenderOutput
from normnex_pl.core.types import MPIGeometry, RayBatch
from normnex_pl.geometry.planes import canvas_grid, canvas_points
from normnex_pl.model.appearance.lookup import face_camera
from normnex_pl.model.compositing import composite_weights
from normnex_pl.model.fields.texture import sample_layers
from normnex_pl.model.mpi import MPI
from normnex_pl.normals.base import NormalEstimator, unit_normals
from normnex_pl.normals.canvas import bake_alpha, check_cells, exact_filters, median_depth_index


class FilteredDepth(NormalEstimator):
    """The median-weight depth, filtered as an image on the canvas before the cross product.

    Disparities are filtered: those of a plane in space are linear over the image, so that neither filter
    bends it. The result is an image of the reference camera; rays read it where they meet the layers.

    Args:
        divisor: Canvas pixels along a cell of the image.
        median: Window of the median filter in cells, odd.
        blur: Standard deviation of the Gaussian that follows, in cells.
        every: Steps between two estimates.

    Raises:
        UserError: An argument is out of range.
    """

    def __init__(self, divisor: int = 2, median: int = 5, blur: float = 2.0, every: int = 100) -> None:
        super().__init__()
        check_cells(divisor, every)
        if median < 1 or median % 2 == 0:
            raise UserError(f"model.estimator: expected an odd median of at least 1, found {median}.")
        self.divisor = divisor
        self.median = median
        self.blur = blur
        self.every = every

    @override
    @torch.no_grad()
    def refresh(self, mpi: MPI) -> None:
        weights = composite_weights(bake_alpha(mpi, self.divisor).movedim(0, -1)).movedim(-1, 0)
        depth = mpi.layout.depth_at(median_depth_index(weights))
        with exact_filters(depth.device):
            disparity = filter_disparity(1 / depth, self.median, self.blur)
        normals = depth_normals(1 / disparity, mpi.geometry).movedim(-1, 0)[None]
        self.keep(normals)

    @override
    def forward(self, mpi: MPI, batch: RayBatch, rendered: RenderOutput) -> Float[Tensor, "triplet layer 3"]:
        layers = mpi.intersect(batch.first_rays()).layers
        return unit_normals(sample_layers(self.kept_for(mpi), layers))


def filter_disparity(
    disparity: Float[Tensor, "height width"], median: int, blur: float
) -> Float[Tensor, "height width"]:
    """Apply a median filter, which removes outliers, and then a Gaussian."""
    image = median_blur(disparity[None, None], (median, median))
    size = 2 * round(3 * blur) + 1
    # kornia mirrors the border, which must be smaller than the image.
    if blur > 0 and size // 2 < min(disparity.shape):
        image = gaussian_blur2d(image, (size, size), (blur, blur))
    return image[0, 0]


def depth_normals(
    depth: Float[Tensor, "height width"], geometry: MPIGeometry
) -> Float[Tensor, "height width 3"]:
    """Estimate normals of a depth map on the canvas by central differences of its points, facing the camera.

    A single row or column, which has no slope across it, gets (0, 0, -1).
    """
    height, width = depth.shape
    grid = canvas_grid(height, width, depth.device)
    points = canvas_points(grid, depth, geometry)
    if min(height, width) < 2:
        return unit_normals(torch.zeros_like(points))
    down, right = torch.gradient(points, dim=(0, 1))
    return face_camera(unit_normals(torch.linalg.cross(down, right)), points)
