"""Predicted normals n': what the features of a layer say about its surface."""

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
        num_features: Channels that a layer has to store for it, behind those of the colour model.
    """

    num_features: int

    @abstractmethod
    def forward(self, features: Float[Tensor, "ray layer feature"]) -> Float[Tensor, "ray layer 3"] | None:
        """Unit normals in the reference frame, or None where the model has no idea of them."""


class NoNormals(NormalModel):
    """For models that don't look anything up by normals."""

    num_features = 0

    @override
    def forward(self, features: Float[Tensor, "ray layer feature"]) -> None:
        return


# Length of the normal that features offset: the smaller, the faster a step of the optimiser turns it. All
# features take steps of one size, and the normal of a table lies 70 degrees or more from where it starts.
_START = 0.2


class PredictedNormals(NormalModel):
    """Three features a layer, as an offset from the normal of a surface that faces the reference camera."""

    num_features = 3

    @override
    def forward(self, features: Float[Tensor, "ray layer feature"]) -> Float[Tensor, "ray layer 3"]:
        facing = torch.zeros_like(features)
        facing[..., 2] = -_START
        return F.normalize(features + facing, dim=-1)


class FlatNormals(NormalModel):
    """(0, 0, -1) everywhere, whatever was learned: tells by how much predicted normals are really used."""

    num_features = 3

    @override
    def forward(self, features: Float[Tensor, "ray layer feature"]) -> Float[Tensor, "ray layer 3"]:
        return PredictedNormals()(torch.zeros_like(features))
