"""The paper's field: a multilayer perceptron of (x, y, plane), with an explicit base colour."""

from __future__ import annotations

from itertools import pairwise
from math import prod

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from normnex_pl.core.rendering import FieldOutput, PlaneSamples
from normnex_pl.geometry.layout import PlaneLayout
from normnex_pl.kernels import kernels_run_on
from normnex_pl.kernels.encoding import encode_planes
from normnex_pl.kernels.perceptron import perceptron
from normnex_pl.model.encoding import fourier_features, mask_octaves
from normnex_pl.model.fields.base import ALPHA_OFFSET, Field, inside_canvas, raw_to_optical_depth
from normnex_pl.model.fields.regularizer import Regularizer
from normnex_pl.model.fields.texture import BaseColorTexture


class MLPField(Field):
    """NeX, section 3.3 and appendix: 56 encoded inputs, 1 + 4 hidden layers of 384, leaky ReLU.

    The network is evaluated on all planes for alpha, and only on the layers for the features.

    Args:
        layout: Planes and canvas; layers share features and base colour, and k0 has a texel per canvas pixel.
        num_features: Channels that a layer stores for the models of colour and normals.
        width: Units of a hidden layer.
        hidden_layers: Hidden layers after the first one.
        xy_octaves: Octaves of the encoding of x and y.
        plane_octaves: Octaves of the encoding of the plane index, scaled to [-1, 1].
        negative_slope: Slope of the leaky ReLU below zero.
        tv_layers: See `BaseColorTexture`.
    """

    plane_index: Float[Tensor, "plane"]
    layer_index: Float[Tensor, "layer"]

    def __init__(
        self,
        layout: PlaneLayout,
        num_features: int,
        width: int = 384,
        hidden_layers: int = 4,
        xy_octaves: int = 10,
        plane_octaves: int = 8,
        negative_slope: float = 0.01,
        tv_layers: int | None = None,
    ) -> None:
        super().__init__()
        canvas = layout.geometry.canvas_height, layout.geometry.canvas_width
        self.canvas_size = prod(canvas)
        self.xy_octaves = xy_octaves
        self.plane_octaves = plane_octaves
        self.negative_slope = negative_slope
        sizes = [4 * xy_octaves + 2 * plane_octaves] + [width] * (hidden_layers + 1)
        blocks: list[nn.Module] = []
        for fan_in, fan_out in pairwise(sizes):
            # In place: the backward pass needs the output alone, and these are the largest tensors.
            blocks += [nn.Linear(fan_in, fan_out), nn.LeakyReLU(negative_slope, inplace=True)]
        self.trunk = nn.Sequential(*blocks)
        self.alpha_head = nn.Linear(width, 1)
        self.feature_head = nn.Linear(width, num_features)
        self.base_color = BaseColorTexture(layout.num_layers, *canvas, tv_layers=tv_layers)
        planes = torch.linspace(-1, 1, layout.num_planes)
        self.register_buffer("plane_index", planes, persistent=False)
        layers = planes.view(layout.num_layers, layout.sublayers).mean(dim=1)
        self.register_buffer("layer_index", layers, persistent=False)

    def _encode(
        self, coordinates: Float[Tensor, "ray plane 2"], index: Float[Tensor, "plane"]
    ) -> Float[Tensor, "plane*ray feature"]:
        """Encode samples; planes first, as the coordinates lie in memory.

        The result has a single axis of samples: linear layers would flatten several into a view, and writing
        through a view in place makes autograd copy the whole tensor.
        """
        xy = fourier_features(coordinates.transpose(0, 1), self.xy_octaves)
        z = fourier_features(index[:, None], self.plane_octaves)
        z_of_rays = repeat(z, "plane feature -> plane ray feature", ray=xy.shape[1])
        return torch.cat([xy, z_of_rays], dim=-1).flatten(0, 1)

    def _network(
        self, coordinates: Float[Tensor, "ray plane 2"], index: Float[Tensor, "plane"], head: nn.Linear
    ) -> Float[Tensor, "plane*ray output"]:
        """Evaluate trunk and head, with a result in float32; planes first."""
        fits = kernels_run_on(coordinates) and _rounds_to_bfloat16(coordinates)
        if fits and not coordinates.requires_grad:
            of_planes = fourier_features(index[:, None], self.plane_octaves)
            encoded = encode_planes(coordinates, of_planes, self.xy_octaves)
            linear = [block for block in self.trunk if isinstance(block, nn.Linear)]
            return perceptron(encoded, [*linear, head], self.negative_slope)
        outputs: Tensor = head(self.trunk(self._encode(coordinates, index)))
        return outputs.float()

    @override
    def optical_depth(
        self,
        coordinates: Float[Tensor, "ray plane 2"],
        shift: Float[Tensor, "ray plane"],
        detail: int | None = None,
    ) -> Float[Tensor, "ray plane"]:
        planes = len(self.plane_index)
        xy = fourier_features(rearrange(coordinates, "ray plane xy -> (plane ray) xy"), self.xy_octaves)
        index = self.plane_index[:, None] + shift.T * (2 / max(1, planes - 1))
        z = fourier_features(index.reshape(-1, 1), self.plane_octaves)
        if detail is not None:  # octaves of either encoding
            xy = mask_octaves(xy, self.xy_octaves, detail)
            z = mask_octaves(z, self.plane_octaves, detail)
        raw = self.alpha_head(self.trunk(torch.cat([xy, z], dim=-1))).to(coordinates.dtype)
        raw = rearrange(raw, "(plane ray) 1 -> ray plane", plane=planes)
        return raw_to_optical_depth(raw) * inside_canvas(coordinates)

    @override
    def forward(self, samples: PlaneSamples) -> FieldOutput:
        raw = self._network(samples.planes, self.plane_index, self.alpha_head)
        features = self._network(samples.layers, self.layer_index, self.feature_head)
        raw = rearrange(raw, "(plane ray) 1 -> ray plane", plane=len(self.plane_index))
        alpha = torch.sigmoid(raw - ALPHA_OFFSET)
        return FieldOutput(
            alpha * inside_canvas(samples.planes),
            self.base_color(samples.planes),
            rearrange(features, "(layer ray) feature -> ray layer feature", layer=len(self.layer_index)),
        )

    @override
    def stored_values(self) -> int:
        # Features are counted as textures of the canvas's size.
        features = len(self.layer_index) * self.feature_head.out_features
        return (len(self.plane_index) + features) * self.canvas_size + self.base_color.raw.numel()

    @override
    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        heads = [*self.alpha_head.parameters(), *self.feature_head.parameters()]
        return {"network": [*self.trunk.parameters(), *heads], "base_color": [self.base_color.raw]}

    @override
    def regularizers(self) -> dict[str, Regularizer]:
        return {"tv_base_color": self.base_color.variation}


def _rounds_to_bfloat16(tensor: Tensor) -> bool:
    """Return whether ``torch.autocast`` computes products with a tensor in bfloat16."""
    device = tensor.device.type
    return torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device) == torch.bfloat16
