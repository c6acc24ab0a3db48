"""The fast field: dense grids, coarse to fine, for the opacity; textures for everything else."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from normnex_pl.core.rendering import FieldOutput, PlaneSamples
from normnex_pl.geometry.layout import PlaneLayout
from normnex_pl.kernels import kernels_run_on
from normnex_pl.kernels.opacity import grid_opacity
from normnex_pl.model.fields.base import ALPHA_OFFSET, Field, inside_canvas, raw_to_optical_depth
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
    """Opacity as a sum of dense grids of raw values, read trilinearly: coarse grids converge first.

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

    def _raw_alpha(
        self,
        coordinates: Float[Tensor, "ray plane 2"],
        z: Float[Tensor, "plane ray"],
        detail: int | None = None,
    ) -> Float[Tensor, "ray plane"]:
        xy = rearrange(coordinates, "ray plane xy -> plane ray xy")
        grid = rearrange(torch.cat([xy, z[..., None]], dim=-1), "plane ray xyz -> 1 plane 1 ray xyz")
        raw = torch.zeros_like(grid[..., 0])[:, None]
        for level in list(self.alpha)[:detail]:
            raw = raw + F.grid_sample(level[None, None], grid, padding_mode="border", align_corners=False)
        return rearrange(raw, "1 1 plane 1 ray -> ray plane")

    @override
    def forward(self, samples: PlaneSamples) -> FieldOutput:
        return FieldOutput(
            self._plane_alpha(samples.planes),
            self.base_color(samples.planes),
            sample_layers(self.features, samples.layers),
        )

    def _plane_alpha(self, coordinates: Float[Tensor, "ray plane 2"]) -> Float[Tensor, "ray plane"]:
        if kernels_run_on(coordinates) and not torch.is_grad_enabled():
            return grid_opacity(list(self.alpha), coordinates, ALPHA_OFFSET)
        z = repeat(self.plane_centres, "plane -> plane ray", ray=len(coordinates))
        alpha = torch.sigmoid(self._raw_alpha(coordinates, z) - ALPHA_OFFSET)
        return alpha * inside_canvas(coordinates)

    @override
    def optical_depth(
        self,
        coordinates: Float[Tensor, "ray plane 2"],
        shift: Float[Tensor, "ray plane"],
        detail: int | None = None,
    ) -> Float[Tensor, "ray plane"]:
        z = self.plane_centres[:, None] + shift.T * (2 / self.num_planes)
        return raw_to_optical_depth(self._raw_alpha(coordinates, z, detail)) * inside_canvas(coordinates)

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
