"""Explicit textures, one per layer."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from normnex_pl.kernels import kernels_run_on
from normnex_pl.kernels.colors import sample_sigmoid
from normnex_pl.kernels.variation import add_variation_gradient
from normnex_pl.model.fields.regularizer import Regularizer, everything
from normnex_pl.model.fields.variation import total_variation


def sample_layers(
    textures: Float[Tensor, "layer channel height width"], coordinates: Float[Tensor, "ray plane 2"]
) -> Float[Tensor, "ray plane channel"]:
    """Read each layer's texture bilinearly where rays meet the layer's planes; borders are repeated.

    Args:
        textures: One per layer.
        coordinates: Canvas coordinates on ``plane = layer * sublayer`` planes.
    """
    grid = rearrange(coordinates, "ray (layer sub) xy -> layer sub ray xy", layer=len(textures))
    values = F.grid_sample(textures, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return rearrange(values, "layer channel sub ray -> ray (layer sub) channel")


# Range of colours at initialisation: beyond it the sigmoid is so flat that they would hardly learn.
_DARKEST, _BRIGHTEST = 0.02, 0.98


class BaseColorTexture(nn.Module):
    """k0: an explicit texture behind a sigmoid, shared by the planes of a layer (NeX, section 3.4).

    Args:
        num_layers: Number of textures.
        height: Height in texels.
        width: Width in texels.
        tv_layers: Number of layers, drawn anew in each step, whose total variation is computed; None for all.
            The expectation is the same, at a fraction of the memory traffic.
        initial_range: Raw values are initialised uniformly in +- this.
    """

    def __init__(
        self,
        num_layers: int,
        height: int,
        width: int,
        tv_layers: int | None = None,
        initial_range: float = 1.0,
    ) -> None:
        super().__init__()
        self.tv_layers = tv_layers
        raw = torch.empty(num_layers, 3, height, width).uniform_(-initial_range, initial_range)
        self.raw = nn.Parameter(raw)

    def forward(self, coordinates: Float[Tensor, "ray plane 2"]) -> Float[Tensor, "ray plane 3"]:
        """Read the colours where rays meet the planes.

        The sigmoid comes before the interpolation, as in a renderer of stored colours.
        """
        if kernels_run_on(self.raw) and not coordinates.requires_grad:
            return sample_sigmoid(self.raw, coordinates)
        return sample_layers(torch.sigmoid(self.raw), coordinates)

    @torch.no_grad()
    def start_layer(self, layer: int, colors: Float[Tensor, "3 height width"]) -> None:
        """Initialise a layer with given colours, clamped away from 0 and 1, where the sigmoid saturates.

        Args:
            layer: Counted from the front.
            colors: sRGB in [0, 1], one per texel.
        """
        self.raw[layer] = torch.logit(colors.clamp(_DARKEST, _BRIGHTEST)).to(self.raw.device)

    @property
    def variation(self) -> Regularizer:
        """Total variation of the colours."""
        if kernels_run_on(self.raw):
            return Regularizer(_color_variation, [self.raw], self._draw_layers, add_variation_gradient)
        return Regularizer(_color_variation, [self.raw], self._draw_layers)

    def _draw_layers(self) -> list[slice]:
        if self.tv_layers is None:
            return everything()
        return [slice(i, i + 1) for i in torch.randperm(len(self.raw))[: self.tv_layers].tolist()]


def _color_variation(raw: Float[Tensor, "layer 3 height width"]) -> Float[Tensor, ""]:
    return total_variation(torch.sigmoid(raw))
