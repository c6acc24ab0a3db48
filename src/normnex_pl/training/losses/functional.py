"""Losses of rays as pure functions of tensors, unweighted; `ray_losses` applies them to a step."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from normnex_pl.core.types import Rays

# How fast the smoothness loss fades at edges: a colour step of 0.1 leaves a third of it.
_EDGE_SENSITIVITY = 10.0


def mse_loss(rgb: Float[Tensor, "triplet 3 3"], target: Float[Tensor, "triplet 3 3"]) -> Float[Tensor, ""]:
    """Return the mean squared error over all pixels and channels."""
    return (rgb - target).square().mean()


def gradient_loss(
    rgb: Float[Tensor, "triplet 3 3"], target: Float[Tensor, "triplet 3 3"]
) -> Float[Tensor, ""]:
    """Return the L1 error of horizontal plus vertical colour differences (NeX, section 3.5).

    Args:
        rgb: Rendered colours of L-shaped triplets: pixel, right neighbour, lower neighbour.
        target: Colours of the photo.
    """
    residual = rgb - target
    differences = residual[:, 1:] - residual[:, :1]
    return differences.abs().mean(dim=(0, 2)).sum()


def disparity_smoothness_loss(
    disparity: Float[Tensor, "triplet 3"],
    expected: Float[Tensor, "triplet 2"],
    target: Float[Tensor, "triplet 3 3"],
) -> Float[Tensor, ""]:
    """Return the L1 distance of the neighbours' disparities from expected ones, less at edges of the photo.

    Edges are weighted as by Godard et al. 2017, section 3.3, who expect the pixel's own disparity.

    Args:
        disparity: Of L-shaped triplets: pixel, right neighbour, lower neighbour; in units of the nearest
            plane's disparity, so that the weight doesn't depend on the scene's scale.
        expected: Of the two neighbours, in the same unit; see `tangent_disparity`.
        target: Colours of the photo.
    """
    edges = (target[:, 1:] - target[:, :1]).abs().mean(dim=-1)
    steps = (disparity[:, 1:] - expected).abs()
    return (steps * (-_EDGE_SENSITIVITY * edges).exp()).mean()


def tangent_disparity(
    rays: Rays,
    disparity: Float[Tensor, "triplet 3"],
    normals: Float[Tensor, "triplet 3"],
    nearest: float,
) -> Float[Tensor, "triplet 2"]:
    """Return the disparities of the two neighbours if the surface that the first ray meets is flat.

    The neighbours' rays o + t v meet the plane through the first ray's point X with normal n at
    t = n . (X - o) / n . v. A normal of (0, 0, -1) gives the first ray's own disparity.

    Args:
        rays: Of shape ``[triplet, 3]``.
        disparity: Of the triplets, 1 / depth in the reference frame.
        normals: Of the surface that the first ray meets, of unit length.
        nearest: No disparity is expected beyond this one, nor below zero.
    """
    depth = 1 / disparity[:, :1].clamp(min=1e-3 * nearest)
    origins, directions = rays.origins, rays.directions
    first = origins[:, 0] + (depth - origins[:, 0, 2:]) / directions[:, 0, 2:] * directions[:, 0]
    height = (normals[:, None] * (first[:, None] - origins[:, 1:])).sum(dim=-1)
    slope = (normals[:, None] * directions[:, 1:]).sum(dim=-1)
    # 1 / (o_z + t v_z), multiplied out: at grazing angles the slope vanishes, not this denominator.
    depth_times_slope = origins[:, 1:, 2] * slope + height * directions[:, 1:, 2]
    expected = slope / torch.where(depth_times_slope.abs() < 1e-6, 1e-6, depth_times_slope)
    return expected.clamp(0, nearest)


def specular_loss(
    weights: Float[Tensor, "ray layer"], specular: Float[Tensor, "ray layer 3"]
) -> Float[Tensor, ""]:
    """Return the mean absolute specular colour of the rays, composited."""
    return (weights * specular.abs().mean(dim=-1)).sum(dim=-1).mean()


def consistency_loss(
    weights: Float[Tensor, "ray layer"],
    normals: Float[Tensor, "ray layer 3"],
    target: Float[Tensor, "ray layer 3"],
) -> Float[Tensor, ""]:
    """Return the mean over rays of sum w |n - n'|^2 (Ref-NeRF, equation 10).

    Args:
        weights: Of the layers.
        normals: Predicted, of unit length.
        target: Estimated, of unit length.
    """
    return (weights * (normals - target).square().sum(dim=-1)).sum(dim=-1).mean()


def orientation_loss(
    weights: Float[Tensor, "ray layer"],
    normals: Float[Tensor, "ray layer 3"],
    viewdirs: Float[Tensor, "ray 3"],
) -> Float[Tensor, ""]:
    """Return the mean over rays of sum w max(0, n' . viewdir)^2 (Ref-NeRF, equation 11).

    Args:
        weights: Of the layers.
        normals: Predicted, of unit length.
        viewdirs: From the camera to the scene, of unit length.
    """
    away = (normals * viewdirs[:, None]).sum(dim=-1).clamp(min=0)
    return (weights * away.square()).sum(dim=-1).mean()
