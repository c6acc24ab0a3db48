"""Total variation of stored textures and volumes."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def total_variation(texture: Float[Tensor, "layer channel height width"]) -> Float[Tensor, ""]:
    """Average the absolute differences to the lower and right neighbours over texels; sum over channels."""
    vertical = (texture[:, :, 1:] - texture[:, :, :-1]).abs()
    horizontal = (texture[:, :, :, 1:] - texture[:, :, :, :-1]).abs()
    return texture.shape[1] * (vertical.mean() + horizontal.mean())


def volume_variation(volume: Float[Tensor, "plane height width"]) -> Float[Tensor, ""]:
    """Sum the mean squared differences to the neighbours in each of the three directions."""
    differences = (volume.diff(dim=axis).square().mean() for axis in range(3) if volume.shape[axis] > 1)
    return sum(differences, start=volume.new_zeros(()))
