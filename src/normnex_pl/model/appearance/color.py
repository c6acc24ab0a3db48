"""Colour models: from stored features and values of the basis functions to the colour of a plane."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from normnex_pl.model.clamp import clamp


class ColorModel(nn.Module, ABC):
    """Interpretation of the features of a layer.

    Attributes:
        signed: Whether the specular part can darken a colour.
    """

    signed: bool

    @abstractmethod
    def num_features(self, num_basis: int) -> int:
        """Return the number of channels that a layer stores for ``num_basis`` basis functions."""

    @abstractmethod
    def specular(
        self, features: Float[Tensor, "ray layer feature"], basis: Float[Tensor, "ray #layer basis"]
    ) -> Float[Tensor, "ray layer 3"]:
        """Return the view-dependent part, which is added to the base colour of the layer's planes.

        Args:
            features: Raw outputs of the field, before any activation.
            basis: H_n of each ray, or of each ray on each layer.
        """

    @abstractmethod
    def parts(self, features: Float[Tensor, "ray layer feature"]) -> dict[str, Tensor]:
        """Return the parts of the features that can be shown, by name: ``[ray, layer, channel]`` each."""


class Luma(nn.Module, ABC):
    """Intensity of the specular part, from the sum of coefficients times basis functions.

    Attributes:
        signed: Whether the intensity can be negative.
    """

    signed: bool

    @abstractmethod
    def forward(self, total: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Convert the sum to an intensity."""


class SignedLuma(Luma):
    """The sum itself, as in NeX. The base colour is then a mean over the views, not the diffuse colour."""

    signed = True

    @override
    def forward(self, total: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return total


class NonnegativeLuma(Luma):
    """Light is only added: clamped at zero, with gradients that let it rise from there."""

    signed = False

    @override
    def forward(self, total: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return clamp(total, minimum=0.0)


class RGBColor(ColorModel):
    """NeX: a coefficient for each colour channel, sum_n tanh(k_n) H_n(v) with k_n in R^3 (equation 3)."""

    signed = True

    @override
    def num_features(self, num_basis: int) -> int:
        return 3 * num_basis

    @override
    def specular(
        self, features: Float[Tensor, "ray layer feature"], basis: Float[Tensor, "ray #layer basis"]
    ) -> Float[Tensor, "ray layer 3"]:
        coefficients = torch.tanh(rearrange(features, "ray layer (rgb basis) -> ray layer rgb basis", rgb=3))
        # Not by einsum: mixed precision would round the colour to bf16.
        return (coefficients * basis[:, :, None]).sum(dim=-1)

    @override
    def parts(self, features: Float[Tensor, "ray layer feature"]) -> dict[str, Tensor]:
        return {}


class YCbCrColor(ColorModel):
    """Luma coefficients and one chroma: s Y RGB(1, Cb, Cr), Y = sum_n tanh(k_n) H_n with k_n in R.

    The tint s is in [0, 1], the chroma in [-0.5, 0.5]. The intensity multiplies the chroma, so that a view
    without a specular highlight shows nothing of its colour either.

    Args:
        luma: Converts the sum to an intensity, which may be negative or not.
    """

    def __init__(self, luma: Luma) -> None:
        super().__init__()
        self.luma = luma
        self.signed = luma.signed

    @override
    def num_features(self, num_basis: int) -> int:
        return 1 + 2 + num_basis

    @override
    def specular(
        self, features: Float[Tensor, "ray layer feature"], basis: Float[Tensor, "ray #layer basis"]
    ) -> Float[Tensor, "ray layer 3"]:
        parts = self.parts(features)
        return parts["tint"] * self.luma(luma_sum(features, basis)) * chroma_to_rgb(parts["chroma"])

    @override
    def parts(self, features: Float[Tensor, "ray layer feature"]) -> dict[str, Tensor]:
        return tint_and_chroma(features)


class AdditiveYCbCrColor(ColorModel):
    """YCbCr with a chroma that doesn't scale with the intensity: RGB(s Y, Cb, Cr).

    For ablations only: where Y is zero, a colour remains that can't be told from the base colour.

    Args:
        luma: Converts the sum to an intensity, which may be negative or not.
    """

    def __init__(self, luma: Luma) -> None:
        super().__init__()
        self.luma = luma
        self.signed = True  # whatever the luma: chroma alone can darken a channel

    @override
    def num_features(self, num_basis: int) -> int:
        return 1 + 2 + num_basis

    @override
    def specular(
        self, features: Float[Tensor, "ray layer feature"], basis: Float[Tensor, "ray #layer basis"]
    ) -> Float[Tensor, "ray layer 3"]:
        parts = self.parts(features)
        return parts["tint"] * self.luma(luma_sum(features, basis)) + chroma_to_rgb(parts["chroma"]) - 1

    @override
    def parts(self, features: Float[Tensor, "ray layer feature"]) -> dict[str, Tensor]:
        return tint_and_chroma(features)


def tint_and_chroma(features: Float[Tensor, "*sample feature"]) -> dict[str, Tensor]:
    """Read the first three features: ``tint`` in [0, 1] and ``chroma`` (Cb, Cr) in [-0.5, 0.5]."""
    return {"tint": torch.sigmoid(features[..., :1]), "chroma": 0.5 * torch.tanh(features[..., 1:3])}


def luma_sum(
    features: Float[Tensor, "ray layer feature"], basis: Float[Tensor, "ray #layer basis"]
) -> Float[Tensor, "ray layer 1"]:
    """Compute sum_n tanh(k_n) H_n, where the k_n start at the fourth feature."""
    return (torch.tanh(features[..., 3:]) * basis).sum(dim=-1, keepdim=True)


def chroma_to_rgb(chroma: Float[Tensor, "*sample 2"]) -> Float[Tensor, "*sample 3"]:
    """Convert luma 1 and a zero-centred (Cb, Cr) to RGB: ITU-R BT.601, full range, without clamping."""
    cb, cr = chroma.unbind(dim=-1)
    return torch.stack([1 + 1.402 * cr, 1 - 0.344136 * cb - 0.714136 * cr, 1 + 1.772 * cb], dim=-1)
