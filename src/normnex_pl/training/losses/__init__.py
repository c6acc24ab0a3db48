"""The losses of a training step and their weights."""

from normnex_pl.training.losses.functional import (
    consistency_loss,
    disparity_smoothness_loss,
    gradient_loss,
    mse_loss,
    orientation_loss,
    specular_loss,
    tangent_disparity,
)
from normnex_pl.training.losses.ray_losses import RAY_LOSSES, LossWeights, weigh_losses
from normnex_pl.training.losses.terms import ComparedNormals, RayLosses, RayTerms

__all__ = [
    "RAY_LOSSES",
    "ComparedNormals",
    "LossWeights",
    "RayLosses",
    "RayTerms",
    "consistency_loss",
    "disparity_smoothness_loss",
    "gradient_loss",
    "mse_loss",
    "orientation_loss",
    "specular_loss",
    "tangent_disparity",
    "weigh_losses",
]
