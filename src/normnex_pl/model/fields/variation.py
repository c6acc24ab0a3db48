"""Total variation of stored textures and volumes."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def total_variation(texture: Float[Tensor, "layer channel height width"]) -> Float[Tensor, ""]:
    """Return the mean over layers and pixels of the absolute differences to both neighbours.

    Summed over channels.
    """
    vertical = (texture[:, :, 1:] - texture[:, :, :-1]).abs()
    horizontal = (texture[:, :, :, 1:] - texture[:, :, :, :-1]).abs()
    return texture.shape[1] * (vertical.mean() + horizontal.mean())


def volume_variation(volume: Float[Tensor, "plane height width"]) -> Float[Tensor, ""]:
    """Return the mean squared difference to the neighbour in each of the three directions, summed."""
    differences = (volume.diff(dim=axis).square().mean() for axis in range(3) if volume.shape[axis] > 1)
    return sum(differences, start=volume.new_zeros(()))
