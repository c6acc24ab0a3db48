"""Basis functions of the viewing direction, H_n in the NeX paper, equation 3."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from normnex_pl.components.encoding import fourier_features


class Basis(nn.Module, ABC):
    """Functions on directions that all planes share.

    Attributes:
        num_basis: How many functions.
    """

    num_basis: int

    @abstractmethod
    def forward(self, directions: Float[Tensor, "*ray 3"]) -> Float[Tensor, "*ray basis"]:
        """Evaluates all functions at unit directions of the reference frame."""


class NeuralBasis(Basis):
    """A small network of v_x and v_y, as in the paper: 12 -> 64 -> 64 -> 8, tanh.

    Args:
        num_basis: Functions to learn.
        octaves: Of the positional encoding.
        width: Units of each of the two hidden layers.
        negative_slope: Of the leaky ReLU.
    """

    def __init__(
        self, num_basis: int = 8, octaves: int = 3, width: int = 64, negative_slope: float = 0.01
    ) -> None:
        super().__init__()
        self.num_basis = num_basis
        self.octaves = octaves
        self.network = nn.Sequential(
            nn.Linear(4 * octaves, width),
            nn.LeakyReLU(negative_slope),
            nn.Linear(width, width),
            nn.LeakyReLU(negative_slope),
            nn.Linear(width, num_basis),
        )

    def forward(self, directions: Float[Tensor, "*ray 3"]) -> Float[Tensor, "*ray basis"]:
        """See the base class."""
        encoded = fourier_features(directions[..., :2], self.octaves)
        return torch.tanh(self.network(encoded)).to(directions.dtype)
