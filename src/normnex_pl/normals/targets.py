"""Components of a view, with the estimated target normals of each pixel; diagnostics of predicted normals."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from normnex_pl.core.types import Camera, RayBatch, Rays, View
from normnex_pl.geometry.cameras import pixel_rays
from normnex_pl.model.mpi import MPI, composite_normals
from normnex_pl.normals import NormalEstimator

# Estimators that differentiate keep all intermediate values of their rays.
_ESTIMATED_AT_ONCE = 16384


@torch.no_grad()
def view_components(
    mpi: MPI, estimator: NormalEstimator | None, view: View, chunk_size: int = 16384
) -> dict[str, Tensor]:
    """Render all components of a view, and estimate its target normals.

    Args:
        mpi: The model.
        estimator: Estimator of the normals, refreshed; None if the model learns none.
        view: On the model's device.
        chunk_size: Rays per chunk.

    Returns:
        `MPI.components` of shape ``[height, width]`` or ``[height, width, channel]``; and ``target_normals``
        if there is an estimator.
    """
    shown = mpi.render_image(view.camera, chunk_size)
    if estimator is not None:
        shown["target_normals"] = target_normals(mpi, estimator, view, min(chunk_size, _ESTIMATED_AT_ONCE))
    return shown


@torch.no_grad()
def target_normals(
    mpi: MPI, estimator: NormalEstimator, view: View, chunk_size: int = _ESTIMATED_AT_ONCE
) -> Float[Tensor, "height width 3"]:
    """Estimate the normals of the surfaces that the pixels of a view see.

    Args:
        mpi: The model.
        estimator: Estimator of the normals, refreshed.
        view: On the model's device. Its photo is used only by estimators that differentiate the colour error.
        chunk_size: Rays per chunk.

    Returns:
        Unit normals in the reference frame, composited; zero where nothing is covered.
    """
    camera = view.camera
    pixels = _pixels(camera.height, camera.width, view.image.device)
    photo = view.rgb.flatten(0, 1)
    parts = []
    with mpi.field.prepared():
        for some, rgb in zip(
            pixels.split(max(1, chunk_size // 3)), photo.split(max(1, chunk_size // 3)), strict=True
        ):
            batch = RayBatch(_triplets(camera, some), rgb[:, None].expand(-1, 3, -1))
            flat = Rays(batch.rays.origins.flatten(0, 1), batch.rays.directions.flatten(0, 1))
            rendered = mpi.render_planes(flat) if estimator.needs_planes else mpi.render(flat)
            parts.append(composite_normals(rendered.layer_weights[::3], estimator(mpi, batch, rendered)))
    return torch.cat(parts).unflatten(0, (camera.height, camera.width))


def _pixels(height: int, width: int, device: torch.device) -> Tensor:
    rows, columns = torch.meshgrid(
        torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij"
    )
    return torch.stack([columns, rows], dim=-1).flatten(0, 1)


def _triplets(camera: Camera, pixels: Tensor) -> Rays:
    """Cast rays through pixels and their right and lower neighbours, which may lie beyond the border."""
    neighbours = pixels.new_tensor([[0, 0], [1, 0], [0, 1]])
    return pixel_rays(camera.K, camera.c2w, pixels[:, None] + neighbours)


@torch.no_grad()
def normal_diagnostics(
    weights: Float[Tensor, "ray layer"],
    predicted: Float[Tensor, "ray layer 3"],
    target: Float[Tensor, "ray layer 3"],
) -> dict[str, Tensor]:
    """Compute scalars that reveal predicted normals which collapse to one direction or miss their targets.

    Returns:
        ``normals/variance``: 1 - |mean n'|, weighted; zero if all are equal. ``normals/target_degrees``: the
        weighted mean angle between n' and the target.
    """
    total = weights.sum().clamp(min=1e-6)
    mean = (weights[..., None] * predicted).sum(dim=(0, 1)) / total
    cosine = (predicted * target).sum(dim=-1).clamp(-1, 1)
    return {
        "normals/variance": 1 - mean.norm(),
        "normals/target_degrees": torch.rad2deg((weights * cosine.acos()).sum() / total),
    }
