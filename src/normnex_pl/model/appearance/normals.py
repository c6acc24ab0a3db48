"""Predicted normals n', from the features of a layer."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override


class NormalModel(nn.Module, ABC):
    """Read normals from a layer's features.

    Attributes:
        num_features: Channels that a layer stores for it, after those of the colour model.
    """

    num_features: int

    @abstractmethod
    def forward(self, features: Float[Tensor, "ray layer feature"]) -> Float[Tensor, "ray layer 3"] | None:
        """Return unit normals in the reference frame, or None for a model without normals."""


class NoNormals(NormalModel):
    """No normals: for models that look nothing up by them."""

    num_features = 0

    @override
    def forward(self, features: Float[Tensor, "ray layer feature"]) -> None:
        return


# Length of the vector that features offset: the shorter, the further a step of the optimiser turns it. All
# features share one learning rate, and the normal of a table lies 70 degrees or more from its start.
_START = 0.2


class PredictedNormals(NormalModel):
    """Three features per layer, as an offset from the normal of a surface that faces the reference camera."""

    num_features = 3

    @override
    def forward(self, features: Float[Tensor, "ray layer feature"]) -> Float[Tensor, "ray layer 3"]:
        facing = torch.zeros_like(features)
        facing[..., 2] = -_START
        return F.normalize(features + facing, dim=-1)


class FlatNormals(NormalModel):
    """(0, 0, -1) everywhere, whatever was learned: the ablation that shows what predicted normals add."""

    num_features = 3

    @override
    def forward(self, features: Float[Tensor, "ray layer feature"]) -> Float[Tensor, "ray layer 3"]:
        return PredictedNormals()(torch.zeros_like(features))
