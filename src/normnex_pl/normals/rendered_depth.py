"""Approach 3: the surface that rendered depths of neighbouring rays span."""

from __future__ import annotations

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from normnex_pl.core.rendering import RenderOutput
from normnex_pl.core.types import RayBatch
from normnex_pl.model.appearance.lookup import face_camera
from normnex_pl.model.mpi import MPI
from normnex_pl.normals.base import NormalEstimator, unit_normals


class RenderedDepth(NormalEstimator):
    """The points at the expected depths of three neighbouring rays span the surface: n is a cross product.

    At a distance of one pixel, noise in the learned depths outweighs the slope; see `FilteredDepth`.
    """

    @override
    def forward(self, mpi: MPI, batch: RayBatch, rendered: RenderOutput) -> Float[Tensor, "triplet layer 3"]:
        depth = rearrange(rendered.depth, "(triplet pixel) -> triplet pixel 1", pixel=3)
        rays = batch.rays
        distance = (depth - rays.origins[..., 2:]) / rays.directions[..., 2:]
        here, right, below = (rays.origins + distance * rays.directions).unbind(dim=1)
        normals = unit_normals(torch.linalg.cross(below - here, right - here))
        facing = face_camera(normals, rays.viewdirs[:, 0])
        return repeat(facing, "triplet xyz -> triplet layer xyz", layer=mpi.num_layers)
