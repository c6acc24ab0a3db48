"""Approach 2: the gradient of the loss, by automatic differentiation."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from normnex_pl.core.rendering import PlaneSamples, RenderOutput
from normnex_pl.core.types import RayBatch
from normnex_pl.geometry.planes import metric_gradient
from normnex_pl.model.mpi import MPI
from normnex_pl.normals.base import NormalEstimator, composite_on_layers, first_of_triplets, unit_normals


class LossGradient(NormalEstimator):
    """grad sigma = (dL/dx, dL/dy, dL/dz) / (dL/dsigma), where L is the squared error of the ray's colour.

    After normalisation the division only sets the sign. Colours depend on the position, too, so that this is
    the gradient of the density only where they are constant. It costs a second pass through the field,
    forward and backward, for a third of the rays.
    """

    needs_planes = True

    @override
    def forward(self, mpi: MPI, batch: RayBatch, rendered: RenderOutput) -> Float[Tensor, "triplet layer 3"]:
        rays = batch.first_rays()
        samples = mpi.intersect(rays)
        with torch.enable_grad(), torch.autocast(rays.origins.device.type, enabled=False):
            coordinates = samples.planes.detach().requires_grad_()
            shift = torch.zeros_like(coordinates[..., 0]).requires_grad_()
            alpha = -torch.expm1(-mpi.field.optical_depth(coordinates, shift))
            stored = mpi.field(PlaneSamples(coordinates, samples.layers))
            rgb = mpi.shade(rays, samples, replace(stored, alpha=alpha)).rgb
            loss = (rgb - batch.rgb[:, 0]).square().sum()
            by_canvas, by_shift, by_alpha = torch.autograd.grad(loss, (coordinates, shift, alpha))
        gradient = torch.cat([by_canvas, by_shift[..., None]], dim=-1) * by_alpha.sign()[..., None]
        metric = metric_gradient(gradient, samples.planes, mpi.depths, mpi.spacing, mpi.geometry)
        return composite_on_layers(
            first_of_triplets(rendered.stored_planes.weights), unit_normals(-metric), mpi.num_layers
        )
