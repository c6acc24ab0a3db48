"""Exposures of the training photos: how each of them shows the colours that the model renders.

An affine map of the colours of each photo is how Rematas et al. compensate exposure (Urban Radiance Fields,
CVPR 2022). Rendering knows nothing of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float, Integer
from torch import Tensor, nn
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.training.losses import RayLosses

_NAME = "exposure"  # of the penalty, among the losses


class Exposure(nn.Module, ABC):
    """Turn rendered colours into those that a training photo shows."""

    @property
    @abstractmethod
    def learning_rate(self) -> float:
        """Adam's, for the parameters, if there are any; the schedule multiplies it too."""

    @abstractmethod
    def forward(
        self, rgb: Float[Tensor, "triplet 3 3"], views: Integer[Tensor, "triplet"] | None
    ) -> Float[Tensor, "triplet 3 3"]:
        """Return colours as the photos show them.

        Args:
            rgb: Rendered sRGB.
            views: Position of the photo of each triplet among the training views.
        """

    @abstractmethod
    def regularize(self, losses: RayLosses) -> RayLosses:
        """Add what keeps the exposures near each other to the losses of a step."""


# A configuration names a class and its settings; the data supply the number of training views.
ExposureFactory = Callable[[int], Exposure]


class SameExposure(Exposure):
    """Take all photos as exposed alike, as they are in a capture with locked exposure.

    Args:
        num_views: Training views, which make no difference.
    """

    def __init__(self, num_views: int) -> None:
        super().__init__()

    @property
    @override
    def learning_rate(self) -> float:
        return 0.0

    @override
    def forward(
        self, rgb: Float[Tensor, "triplet 3 3"], views: Integer[Tensor, "triplet"] | None
    ) -> Float[Tensor, "triplet 3 3"]:
        return rgb

    @override
    def regularize(self, losses: RayLosses) -> RayLosses:
        return losses


class AffineExposure(Exposure):
    """Learn an affine map of the colours for each training photo: A c + b, near the identity.

    A = I + D and b are the photo's own less their means over all photos. Otherwise a map of all photos
    together and its inverse in the model's colours would change nothing, and new views would have no
    exposure to be rendered in; so they have the mean one. Estimators of normals that differentiate the error
    of the colours see the photos' own.

    Args:
        num_views: Training views.
        learning_rate: Adam's.
        weight: Of the penalty, the mean over photos of |D|^2 + |b|^2.

    Raises:
        UserError: The learning rate isn't positive, or the weight is negative.
    """

    def __init__(self, num_views: int, learning_rate: float = 2e-3, weight: float = 1e-3) -> None:
        super().__init__()
        if not (learning_rate > 0 and weight >= 0):
            raise UserError(
                "model.exposure: expected a positive learning_rate and a weight of at least 0, found "
                f"{learning_rate:g} and {weight:g}."
            )
        self._learning_rate = learning_rate
        self.weight = weight
        self.offsets = nn.Parameter(torch.zeros(num_views, 3, 4))  # D and b

    @property
    @override
    def learning_rate(self) -> float:
        return self._learning_rate

    @property
    def maps(self) -> Float[Tensor, "view 3 4"]:
        """D and b of all photos."""
        return self.offsets - self.offsets.mean(dim=0)

    @override
    def forward(
        self, rgb: Float[Tensor, "triplet 3 3"], views: Integer[Tensor, "triplet"] | None
    ) -> Float[Tensor, "triplet 3 3"]:
        assert views is not None
        # [triplet, 1, 3, 4]; the backward pass of this, unlike that of an index, needs no sorting.
        chosen = self.maps.flatten(1).index_select(0, views).unflatten(1, (1, 3, 4))
        # Not by `@`, which mixed precision would round to bf16.
        return rgb + (chosen[..., :3] * rgb[..., None, :]).sum(dim=-1) + chosen[..., 3]

    @override
    def regularize(self, losses: RayLosses) -> RayLosses:
        penalty = self.maps.square().sum(dim=(1, 2)).mean()
        return replace(
            losses,
            total=losses.total + self.weight * penalty,
            losses=losses.losses | {_NAME: penalty.detach()},
        )
