"""Basis functions H_n of the NeX paper, equation 3."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from normnex_pl.model.appearance.lookup import DirectionQuery
from normnex_pl.model.encoding import fourier_features


class Basis(nn.Module, ABC):
    """Functions of directions that all planes share.

    Attributes:
        num_basis: Number of functions.
        query: Makes their arguments from viewing directions and normals.
    """

    num_basis: int
    query: DirectionQuery

    @abstractmethod
    def forward(
        self, viewdirs: Float[Tensor, "ray 3"], normals: Float[Tensor, "ray layer 3"] | None
    ) -> Float[Tensor, "ray _ basis"]:
        """Evaluate all functions.

        Args:
            viewdirs: Unit directions of the reference frame, from the camera to the scene.
            normals: Unit normals of the layers, if the model has any.

        Returns:
            One set of values for all layers, or one per layer, depending on the query.
        """


class NeuralBasis(Basis):
    """A small network, in the paper 12 -> 64 -> 64 -> 8 with tanh: two inputs in three octaves.

    Args:
        query: Makes the inputs of the network.
        num_basis: Number of functions to learn.
        octaves: Octaves of the positional encoding.
        width: Units of each of the two hidden layers.
        negative_slope: Slope of the leaky ReLU below zero.
    """

    def __init__(
        self,
        query: DirectionQuery,
        num_basis: int = 8,
        octaves: int = 3,
        width: int = 64,
        negative_slope: float = 0.01,
    ) -> None:
        super().__init__()
        self.query = query
        self.num_basis = num_basis
        self.octaves = octaves
        self.network = nn.Sequential(
            nn.Linear(2 * octaves * query.num_inputs, width),
            nn.LeakyReLU(negative_slope),
            nn.Linear(width, width),
            nn.LeakyReLU(negative_slope),
            nn.Linear(width, num_basis),
        )

    @override
    def forward(
        self, viewdirs: Float[Tensor, "ray 3"], normals: Float[Tensor, "ray layer 3"] | None
    ) -> Float[Tensor, "ray _ basis"]:
        inputs = self.query(viewdirs, normals)
        # A single axis of samples: linear layers would flatten several into a view.
        values = torch.tanh(self.network(fourier_features(inputs, self.octaves).flatten(0, 1)))
        return values.unflatten(0, inputs.shape[:2]).to(viewdirs.dtype)
