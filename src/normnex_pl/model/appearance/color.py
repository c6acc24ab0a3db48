"""Colour models: from what a field stores and the basis functions' values to the colour of a plane."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from normnex_pl.model.clamp import clamp


class ColorModel(nn.Module, ABC):
    """What the features of a layer mean.

    Attributes:
        signed: Whether the specular part can make a colour darker.
    """

    signed: bool

    @abstractmethod
    def num_features(self, num_basis: int) -> int:
        """Channels a layer has to store for ``num_basis`` basis functions."""

    @abstractmethod
    def specular(
        self, features: Float[Tensor, "ray layer feature"], basis: Float[Tensor, "ray #layer basis"]
    ) -> Float[Tensor, "ray layer 3"]:
        """Return the part of the colour that depends on the view.

        Added to the base colour of the layer's planes.

        Args:
            features: Raw outputs of the field, before any activation.
            basis: H_n of the ray, or of the ray on each layer.
        """

    @abstractmethod
    def parts(self, features: Float[Tensor, "ray layer feature"]) -> dict[str, Tensor]:
        """What can be shown of the features, by name: ``[ray, layer, channel]`` each."""


class Luma(nn.Module, ABC):
    """What sums of coefficients times basis functions mean as an intensity.

    Attributes:
        signed: Whether it can be negative.
    """

    signed: bool

    @abstractmethod
    def forward(self, total: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Intensity of the specular part."""


class SignedLuma(Luma):
    """The sum as it is, as in NeX. The base colour then is a mean over the views, not the diffuse colour."""

    signed = True

    @override
    def forward(self, total: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return total


class NonnegativeLuma(Luma):
    """Light only adds: nothing below zero, with gradients that let it rise from there."""

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

    The tint s is in [0, 1], the chroma in [-0.5, 0.5]. Intensity multiplies chroma, so that a view that
    sees no gloss sees no colour of the gloss either.

    Args:
        luma: Whether the intensity may be negative.
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

    For comparison only: where Y is zero a colour remains that nothing tells from the base colour.

    Args:
        luma: Whether the intensity may be negative.
    """

    def __init__(self, luma: Luma) -> None:
        super().__init__()
        self.luma = luma
        self.signed = True  # whatever the luma: a chroma alone darkens a channel

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
    """Return the first three features: ``tint`` in [0, 1] and ``chroma`` (Cb, Cr) in [-0.5, 0.5]."""
    return {"tint": torch.sigmoid(features[..., :1]), "chroma": 0.5 * torch.tanh(features[..., 1:3])}


def luma_sum(
    features: Float[Tensor, "ray layer feature"], basis: Float[Tensor, "ray #layer basis"]
) -> Float[Tensor, "ray layer 1"]:
    """sum_n tanh(k_n) H_n, with k_n from the fourth feature on."""
    return (torch.tanh(features[..., 3:]) * basis).sum(dim=-1, keepdim=True)


def chroma_to_rgb(chroma: Float[Tensor, "*sample 2"]) -> Float[Tensor, "*sample 3"]:
    """Colour of luma 1 and a zero-centred (Cb, Cr): ITU-R BT.601, full range. Linear: nothing is clamped."""
    cb, cr = chroma.unbind(dim=-1)
    return torch.stack([1 + 1.402 * cr, 1 - 0.344136 * cb - 0.714136 * cr, 1 + 1.772 * cb], dim=-1)
