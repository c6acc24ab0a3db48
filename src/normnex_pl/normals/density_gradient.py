"""Approach 2 in its exact form: the gradient of the density, by automatic differentiation."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from normnex_pl.core.rendering import RenderOutput
from normnex_pl.core.types import RayBatch
from normnex_pl.geometry.planes import metric_gradient
from normnex_pl.model.mpi import MPI
from normnex_pl.normals.base import NormalEstimator, composite_on_layers, first_of_triplets, unit_normals


class DensityGradient(NormalEstimator):
    """The exact form: the vector-Jacobian product of the density alone.

    It is exact for the field as it is: planes lie at the nodes of a `GridField`'s finest grid, where the
    derivative along the planes is one-sided. `TransmittanceGradient` takes central differences instead.

    Args:
        detail: See `Field.optical_depth`; None for all. Derivatives of the paper's highest octaves are mostly
            noise.
    """

    needs_planes = True

    def __init__(self, detail: int | None = None) -> None:
        super().__init__()
        self.detail = detail

    @override
    def forward(self, mpi: MPI, batch: RayBatch, rendered: RenderOutput) -> Float[Tensor, "triplet layer 3"]:
        rays = batch.first_rays()
        planes = mpi.intersect(rays).planes
        with torch.enable_grad(), torch.autocast(rays.origins.device.type, enabled=False):
            coordinates = planes.detach().requires_grad_()
            shift = torch.zeros_like(coordinates[..., 0]).requires_grad_()
            index = torch.arange(len(mpi.depths), device=shift.device) + shift
            spacing = mpi.layout.spacing_at(index)
            sigma = mpi.field.optical_depth(coordinates, shift, self.detail) / spacing
            by_canvas, by_shift = torch.autograd.grad(sigma.sum(), (coordinates, shift))
        gradient = torch.cat([by_canvas, by_shift[..., None]], dim=-1)
        metric = metric_gradient(gradient, planes, mpi.depths, spacing.detach(), mpi.geometry)
        return composite_on_layers(
            first_of_triplets(rendered.stored_planes.weights), unit_normals(-metric), mpi.num_layers
        )
