"""Step 3 of a bake: keep the tiles that are seen, as bytes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from normnex_pl.export.baked.codes import quantize, value_ranges
from normnex_pl.export.baked.kinds import Kinds
from normnex_pl.export.baked.layout import TileGrid
from normnex_pl.export.baked.steps.rounding import pool_weights, round_colors
from normnex_pl.export.baked.tiles import ABSENT, assign_slots, cover, cut_tiles


@dataclass(frozen=True)
class QuantizedTexture:
    """Textures of one kind as bytes.

    Attributes:
        grid: How the textures are cut.
        slots: Of each tile, or `ABSENT`.
        tiles: Bytes of the tiles that are kept, by slot.
        ranges: Ends of the bytes' values.
    """

    grid: TileGrid
    slots: Int[Tensor, "texture row column"]
    tiles: UInt8[Tensor, "slot size size channel"]
    ranges: Float[Tensor, "texture channel 2"]


def quantize_textures(
    textures: Kinds[Tensor],
    weights: Kinds[Tensor],
    grids: Kinds[TileGrid],
    threshold: float,
    tolerance: float,
) -> Kinds[QuantizedTexture]:
    """Drop the tiles that no view sees and round the others to 8 bits.

    Args:
        textures: Values ``[texture, channel, height, width]``.
        weights: See `visible_weights`.
        grids: How the textures are cut.
        threshold: The smallest weight of a tile that is kept.
        tolerance: How far rounding the base colour of a texel may move a pixel, in 8-bit levels.
    """
    alpha_slots = assign_slots(weights.alpha, threshold)
    base_slots = assign_slots(pool_weights(weights.base_color, grids.base_color), threshold)
    feature_slots = assign_slots(weights.features, threshold)
    base_color = round_colors(textures.base_color, weights.base_color, tolerance)
    used = cover(feature_slots != ABSENT, grids.features)
    feature_ranges = value_ranges(textures.features, used)
    return Kinds(
        _cut(textures.alpha, _unit_ranges(textures.alpha), alpha_slots, grids.alpha),
        _cut(base_color, _unit_ranges(base_color), base_slots, grids.base_color),
        _cut(textures.features, feature_ranges, feature_slots, grids.features),
    )


def _unit_ranges(values: Float[Tensor, "texture channel _ _"]) -> Float[Tensor, "texture channel 2"]:
    """Return [0, 1] for all: the range of opacities and colours, whose ends are then exact."""
    return torch.tensor([0.0, 1.0], device=values.device).expand(*values.shape[:2], 2)


def _cut(
    values: Float[Tensor, "texture channel height width"],
    ranges: Float[Tensor, "texture channel 2"],
    slots: Int[Tensor, "texture row column"],
    grid: TileGrid,
) -> QuantizedTexture:
    """Quantise texture by texture, which bounds the memory, and cut the tiles that have a slot."""
    codes = torch.stack([quantize(*one) for one in zip(values[:, None], ranges[:, None], strict=True)])[:, 0]
    return QuantizedTexture(grid, slots, cut_tiles(codes, slots, grid), ranges)
