"""The MPI as a volume over the reference camera's canvas: its opacities, and pure functions on volumes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from normnex_pl.core.errors import UserError
from normnex_pl.geometry.planes import canvas_grid
from normnex_pl.model.mpi import MPI

# Rays of the reference camera that are evaluated together, each with a sample per plane.
_TEXELS_AT_ONCE = 4096


@contextmanager
def exact_filters(device: torch.device) -> Iterator[None]:
    """Run convolutions in full precision: bf16 and TF32 can't resolve depths of neighbouring cells."""
    cudnn = torch.backends.cudnn
    kept = {"enabled": cudnn.enabled, "benchmark": cudnn.benchmark, "deterministic": cudnn.deterministic}
    with torch.autocast(device.type, enabled=False), cudnn.flags(**kept, allow_tf32=False):
        yield


def check_cells(divisor: int, every: int) -> None:
    """Raise a UserError unless both are at least 1."""
    if divisor < 1 or every < 1:
        raise UserError(
            f"model.estimator: expected divisor and every of at least 1, found {divisor} and {every}."
        )


@torch.no_grad()
def bake_alpha(mpi: MPI, divisor: int) -> Float[Tensor, "plane height width"]:
    """Evaluate the opacity of all planes on a grid with cells of ``divisor`` canvas pixels.

    A cell is a ray of the reference camera, which meets all planes at the same canvas coordinates.
    """
    height = max(1, mpi.geometry.canvas_height // divisor)
    width = max(1, mpi.geometry.canvas_width // divisor)
    grid = canvas_grid(height, width, mpi.depths.device).flatten(0, 1)
    parts = []
    with mpi.field.prepared():
        for part in grid.split(_TEXELS_AT_ONCE):
            coordinates = part[None].expand(len(mpi.depths), -1, -1).transpose(0, 1)
            shift = torch.zeros_like(coordinates[..., 0])
            alpha = -torch.expm1(-mpi.field.optical_depth(coordinates, shift))
            parts.append(mpi.background(alpha, coordinates))
    return rearrange(torch.cat(parts), "(height width) plane -> plane height width", height=height)


def gaussian_blur(values: Float[Tensor, "*batch size"], sigma: float) -> Float[Tensor, "*batch size"]:
    """Blur the last axis by a Gaussian of ``sigma`` cells, repeating the borders; zero changes nothing."""
    if sigma == 0:
        return values
    radius = max(1, round(3 * sigma))
    offsets = torch.arange(-radius, radius + 1, device=values.device, dtype=values.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma).square())
    kernel = kernel / kernel.sum()
    padded = F.pad(values.reshape(-1, 1, values.shape[-1]), (radius, radius), mode="replicate")
    return F.conv1d(padded, kernel[None, None]).view_as(values)


def central_difference(values: Float[Tensor, "*batch size"]) -> Float[Tensor, "*batch size"]:
    """Differentiate along the last axis by its index; one-sided at the ends, zero for a single cell."""
    if values.shape[-1] == 1:
        return torch.zeros_like(values)
    (derivative,) = torch.gradient(values, dim=-1)
    return derivative


def median_depth_index(weights: Float[Tensor, "plane *image"]) -> Float[Tensor, "*image"]:
    """Return the real plane index up to which half of a ray's weight lies; planes are unit cells.

    Rays without any weight get the last plane.
    """
    passed = weights.cumsum(dim=0)
    half = 0.5 * passed[-1]
    index = (passed < half).sum(dim=0, keepdim=True).clamp(max=len(weights) - 1)
    here = weights.gather(0, index)[0]
    before = passed.gather(0, index)[0] - here
    share = ((half - before) / here.clamp(min=1e-12)).clamp(0, 1)
    exact = index[0] + share - 0.5
    return torch.where(passed[-1] > 1e-6, exact, float(len(weights) - 1)).clamp(0, len(weights) - 1)
