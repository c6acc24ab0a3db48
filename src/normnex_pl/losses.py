"""Losses and regularisers: pure functions, unweighted; their weights are in `LossWeights`."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

# How fast the smoothness loss gives way to edges: at a colour step of 0.1 it has lost two thirds.
_EDGE_SENSITIVITY = 10.0


@dataclass(frozen=True)
class LossWeights:
    """Weight of each loss, logged as ``loss/<name>``; a weight of zero leaves its loss out.

    Flat, so that a sweep says ``--model.weights.gradient=0.1``.

    Attributes:
        mse: Squared error of the colours.
        gradient: Error of the colour differences to the right and lower neighbours (NeX, section 3.5).
        disparity_smoothness: Disparity differences to these neighbours where the photo has no edge.
        tv_base_color: Total variation of the base colour textures (NeX, section 3.5).
        tv_alpha: Total variation of the opacity's raw values in all three directions.
    """

    mse: float = 1.0
    gradient: float = 0.05
    disparity_smoothness: float = 0.0
    tv_base_color: float = 0.03
    tv_alpha: float = 0.0


def mse_loss(rgb: Float[Tensor, "triplet 3 3"], target: Float[Tensor, "triplet 3 3"]) -> Float[Tensor, ""]:
    """Mean squared error over all pixels and channels."""
    return (rgb - target).square().mean()


def gradient_loss(
    rgb: Float[Tensor, "triplet 3 3"], target: Float[Tensor, "triplet 3 3"]
) -> Float[Tensor, ""]:
    """L1 error of horizontal plus vertical colour differences.

    Args:
        rgb: Rendered colours of L-shaped triplets: pixel, right neighbour, lower neighbour.
        target: Colours of the photo.
    """
    residual = rgb - target
    differences = residual[:, 1:] - residual[:, :1]
    return differences.abs().mean(dim=(0, 2)).sum()


def disparity_smoothness_loss(
    disparity: Float[Tensor, "triplet 3"], target: Float[Tensor, "triplet 3 3"]
) -> Float[Tensor, ""]:
    """L1 of the disparity's differences, less where the photo has an edge (Godard et al. 2017, section 3.3).

    Args:
        disparity: Of L-shaped triplets: pixel, right neighbour, lower neighbour; relative to the nearest
            plane's, so that the weight doesn't depend on the scene's scale.
        target: Colours of the photo.
    """
    edges = (target[:, 1:] - target[:, :1]).abs().mean(dim=-1)
    steps = (disparity[:, 1:] - disparity[:, :1]).abs()
    return (steps * (-_EDGE_SENSITIVITY * edges).exp()).mean()


def total_variation(texture: Float[Tensor, "layer channel height width"]) -> Float[Tensor, ""]:
    """Mean over layers and pixels of the absolute differences to both neighbours, summed over channels."""
    vertical = (texture[:, :, 1:] - texture[:, :, :-1]).abs()
    horizontal = (texture[:, :, :, 1:] - texture[:, :, :, :-1]).abs()
    return texture.shape[1] * (vertical.mean() + horizontal.mean())


def volume_variation(volume: Float[Tensor, "plane height width"]) -> Float[Tensor, ""]:
    """Mean squared difference to the neighbour in each of the three directions, summed."""
    differences = (volume.diff(dim=axis).square().mean() for axis in range(3) if volume.shape[axis] > 1)
    return sum(differences, start=volume.new_zeros(()))
