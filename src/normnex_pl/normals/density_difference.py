"""Approach 1: differences of the density between neighbouring rays and planes."""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from normnex_pl.core.rendering import RenderOutput
from normnex_pl.core.types import RayBatch
from normnex_pl.geometry.planes import plane_points
from normnex_pl.model.compositing import optical_depth
from normnex_pl.model.mpi import MPI
from normnex_pl.normals.base import NormalEstimator, composite_on_layers, first_of_triplets, unit_normals


class DensityDifference(NormalEstimator):
    """n = -grad sigma / |grad sigma| by forward differences to the two neighbours and the next plane.

    With the three displacements in space as the rows of E, grad sigma = E^-1 [d sigma]. In a shell one plane
    thick, the difference to the next plane sees the back, and the normal faces away from the camera.
    """

    needs_planes = True

    @override
    def forward(self, mpi: MPI, batch: RayBatch, rendered: RenderOutput) -> Float[Tensor, "triplet layer 3"]:
        sigma = optical_depth(rendered.stored_planes.alpha) / mpi.spacing
        sigma = rearrange(sigma, "(triplet pixel) plane -> pixel triplet plane", pixel=3)
        points = plane_points(batch.rays, mpi.depths)
        here, right, below = points.unbind(dim=1)
        displacements = torch.stack([right - here, below - here, _to_next_plane(here)], dim=-2)
        differences = torch.stack(
            [sigma[1] - sigma[0], sigma[2] - sigma[0], _to_next_plane(sigma[0][..., None])[..., 0]], dim=-1
        )
        normals = unit_normals(-solve3(displacements, differences))
        return composite_on_layers(first_of_triplets(rendered.stored_planes.weights), normals, mpi.num_layers)


def _to_next_plane(values: Float[Tensor, "ray plane channel"]) -> Float[Tensor, "ray plane channel"]:
    """Return the differences to the next plane; the last one repeats that before it, a single one is zero."""
    if values.shape[1] == 1:
        return torch.zeros_like(values)
    steps = values.diff(dim=1)
    return torch.cat([steps, steps[:, -1:]], dim=1)


def solve3(
    rows: Float[Tensor, "*sample 3 3"], right_side: Float[Tensor, "*sample 3"]
) -> Float[Tensor, "*sample 3"]:
    """Solve E x = b by Cramer's rule; zero where E is singular."""
    a, b, c = rows.unbind(dim=-2)
    bc, ca, ab = torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)
    determinant = (a * bc).sum(dim=-1, keepdim=True)
    x, y, z = right_side[..., None].unbind(dim=-2)
    solution = (x * bc + y * ca + z * ab) / determinant
    return solution.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
