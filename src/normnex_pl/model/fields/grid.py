"""The fast field: a pyramid of dense grids for the opacity; textures for everything else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from normnex_pl.core.rendering import FieldOutput, FieldTextures, PlaneSamples
from normnex_pl.geometry.layout import PlaneLayout
from normnex_pl.model.fields.base import ALPHA_OFFSET, Field, inside_canvas, raw_to_optical_depth
from normnex_pl.model.fields.pyramid import add_coarser, sum_levels
from normnex_pl.model.fields.regularizer import Regularizer
from normnex_pl.model.fields.texture import BaseColorTexture, sample_layers
from normnex_pl.model.fields.variation import volume_variation


def level_shape(layout: PlaneLayout, divisor: int) -> tuple[int, int, int]:
    """Return the shape of a grid whose cells are ``divisor`` planes deep and ``2 * divisor`` pixels wide.

    Cells of the finest level have two pixels: opacity is smoother than colour.

    Returns:
        Planes, height and width.
    """
    return (
        max(1, layout.num_planes // divisor),
        max(1, layout.geometry.canvas_height // (2 * divisor)),
        max(1, layout.geometry.canvas_width // (2 * divisor)),
    )


class GridField(Field):
    """Opacity as a sum of dense grids of raw values, from coarse to fine: coarse grids converge first.

    The grids are summed at the cells of the finest one, which is then read linearly: by planes that have a
    slice of it each, bilinearly.

    Dense grids, since hash-encoded ones fit the training views of forward-facing scenes but fail on others.

    Args:
        layout: Planes and canvas; layers share features and base colour.
        num_features: Channels that a layer stores for the models of colour and normals.
        divisors: Divisors of the grids, coarse to fine; see `level_shape`.
        feature_divisor: Canvas pixels along a texel of the features.
        base_color_divisor: Canvas pixels along a texel of the base colour.
        tv_layers: See `BaseColorTexture`.
    """

    plane_centres: Float[Tensor, "plane"]

    def __init__(
        self,
        layout: PlaneLayout,
        num_features: int,
        divisors: Sequence[int] = (16, 8, 4, 2, 1),
        feature_divisor: int = 4,
        base_color_divisor: int = 1,
        tv_layers: int | None = 1,
    ) -> None:
        super().__init__()
        height, width = layout.geometry.canvas_height, layout.geometry.canvas_width
        self.num_planes = layout.num_planes
        self.canvas_size = height * width
        shapes = [level_shape(layout, divisor) for divisor in divisors]
        self.alpha = nn.ParameterList([nn.Parameter(torch.zeros(shape)) for shape in shapes])
        self.features = nn.Parameter(
            torch.zeros(layout.num_layers, num_features, height // feature_divisor, width // feature_divisor)
        )
        self.base_color = BaseColorTexture(
            layout.num_layers,
            height // base_color_divisor,
            width // base_color_divisor,
            tv_layers=tv_layers,
            initial_range=0.1,
        )
        # The centre of the i-th of n equal parts of the volume's depth.
        centres = (2 * torch.arange(self.num_planes) + 1) / self.num_planes - 1
        self.register_buffer("plane_centres", centres, persistent=False)
        self._prepared: Tensor | None = None

    @override
    def textures(self) -> FieldTextures:
        return FieldTextures(self._plane_textures(), self.base_color.raw, self.features)

    @override
    @contextmanager
    def prepared(self) -> Iterator[None]:
        before = self._prepared
        with torch.no_grad():
            self._prepared = self._plane_textures()
        try:
            yield
        finally:
            self._prepared = before

    def _plane_textures(self) -> Float[Tensor, "plane height width"]:
        """Return the raw opacities of the planes."""
        if self._prepared is not None:
            return self._prepared
        volume = sum_levels(list(self.alpha))
        if len(volume) == self.num_planes:
            return volume
        return add_coarser(volume, volume.new_zeros(self.num_planes, *volume.shape[1:]))

    @override
    def forward(self, samples: PlaneSamples) -> FieldOutput:
        return FieldOutput(
            self._plane_alpha(samples.planes),
            self.base_color(samples.planes),
            sample_layers(self.features, samples.layers),
        )

    def _plane_alpha(self, coordinates: Float[Tensor, "ray plane 2"]) -> Float[Tensor, "ray plane"]:
        raw = sample_layers(self._plane_textures()[:, None], coordinates)[..., 0]
        return torch.sigmoid(raw - ALPHA_OFFSET) * inside_canvas(coordinates)

    @override
    def optical_depth(
        self,
        coordinates: Float[Tensor, "ray plane 2"],
        shift: Float[Tensor, "ray plane"],
        detail: int | None = None,
    ) -> Float[Tensor, "ray plane"]:
        volume = self._plane_textures() if detail is None else sum_levels(list(self.alpha)[:detail])
        z = self.plane_centres + shift * (2 / self.num_planes)
        places = rearrange(
            torch.cat([coordinates, z[..., None]], dim=-1), "ray plane xyz -> 1 plane 1 ray xyz"
        )
        raw = F.grid_sample(volume[None, None], places, padding_mode="border", align_corners=False)
        raw = rearrange(raw, "1 1 plane 1 ray -> ray plane")
        return raw_to_optical_depth(raw) * inside_canvas(coordinates)

    @override
    def stored_values(self) -> int:
        return self.num_planes * self.canvas_size + self.features.numel() + self.base_color.raw.numel()

    @override
    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"alpha": list(self.alpha), "features": [self.features], "base_color": [self.base_color.raw]}

    @override
    def regularizers(self) -> dict[str, Regularizer]:
        variation = Regularizer(volume_variation, list(self.alpha))
        return {"tv_base_color": self.base_color.variation, "tv_alpha": variation}
