"""Colour models: from what a field stores and the basis functions' values to the colour of a plane."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn


class ColorModel(nn.Module, ABC):
    """What the features of a layer mean."""

    @abstractmethod
    def num_features(self, num_basis: int) -> int:
        """Channels a layer has to store for ``num_basis`` basis functions."""

    @abstractmethod
    def specular(
        self, features: Float[Tensor, "ray layer feature"], basis: Float[Tensor, "ray basis"]
    ) -> Float[Tensor, "ray layer 3"]:
        """The part of the colour that depends on the view; added to the base colour of the layer's planes.

        Args:
            features: Raw outputs of the field, before any activation.
            basis: H_n of the ray.
        """


class RGBColor(ColorModel):
    """NeX: a coefficient for each colour channel, sum_n tanh(k_n) H_n(v) with k_n in R^3 (equation 3)."""

    def num_features(self, num_basis: int) -> int:
        """See the base class."""
        return 3 * num_basis

    def specular(
        self, features: Float[Tensor, "ray layer feature"], basis: Float[Tensor, "ray basis"]
    ) -> Float[Tensor, "ray layer 3"]:
        """See the base class."""
        coefficients = torch.tanh(rearrange(features, "ray layer (rgb basis) -> ray layer rgb basis", rgb=3))
        # Not by einsum: mixed precision would round the colour to bf16.
        return (coefficients * basis[:, None, None]).sum(dim=-1)
