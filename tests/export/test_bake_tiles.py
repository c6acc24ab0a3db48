"""Tiles and their pages, against whole textures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from export.small_models import largest_error
from normnex_pl.core.errors import UserError
from normnex_pl.export.baked.codes import LEVELS, dequantize, quantize, value_ranges
from normnex_pl.export.baked.layout import MAX_PAGES, PAGE_SIZES, TileGrid, layout_pages
from normnex_pl.export.baked.steps.rounding import pool_weights, round_colors, texel_grid
from normnex_pl.export.baked.tiled_texture import TiledTexture, texel_bytes
from normnex_pl.export.baked.tiles import ABSENT, assign_slots, cover, cut_tiles, pack_pages, unpack_page
from support.small import few

grids = st.builds(
    TileGrid,
    textures=st.integers(1, 3),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    size=st.sampled_from([4, 8, 16]),
)


def random(seed: int, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def tiled(codes: Tensor, slots: Tensor, grid: TileGrid, ranges: Tensor) -> TiledTexture:
    filled = texel_bytes(codes.shape[1]) - codes.shape[1]
    tiles = F.pad(cut_tiles(codes, slots, grid), (0, filled, 0, 0, 0, 0, 0, 1))  # one more: never none
    return TiledTexture(grid, slots, tiles, ranges)


@few
@given(grids, st.integers(1, 5), st.integers(0, 100))
def test_reading_tiles_equals_reading_whole_textures(grid: TileGrid, channels: int, seed: int) -> None:
    """Include tile edges, the borders of the canvas, and places beyond them."""
    codes = (random(seed, grid.textures, channels, grid.height, grid.width) * 255).round().to(torch.uint8)
    slots = assign_slots(random(seed, *grid.shape), 0.0)
    ranges = torch.tensor([0.0, LEVELS]).expand(grid.textures, channels, 2)
    points = 2.4 * random(seed + 1, grid.textures, 200, 2) - 1.2
    edges = torch.arange(0, grid.width + 1)[None, :, None] / grid.width * 2 - 1
    points = torch.cat([points, edges.expand(grid.textures, -1, 2)], dim=1)
    whole = F.grid_sample(codes.float(), points[:, None], padding_mode="border", align_corners=False)
    texture = torch.arange(grid.textures)[:, None]
    values, present = tiled(codes, slots, grid, ranges).read(texture, points)
    assert bool(present.all())
    torch.testing.assert_close(values, whole[:, :, 0].movedim(1, -1), atol=2e-2, rtol=0)


@few
@given(grids, st.integers(0, 100))
def test_dropped_tiles_are_absent_and_change_no_other(grid: TileGrid, seed: int) -> None:
    codes = (random(seed, grid.textures, 1, grid.height, grid.width) * 255).to(torch.uint8)
    weights = random(seed + 1, *grid.shape)
    ranges = torch.tensor([0.0, 1.0]).expand(grid.textures, 1, 2)
    points, texture = 2 * random(seed + 2, grid.textures, 100, 2) - 1, torch.arange(grid.textures)[:, None]
    every, _ = tiled(codes, assign_slots(weights, 0.0), grid, ranges).read(texture, points)
    some, present = tiled(codes, assign_slots(weights, 0.5), grid, ranges).read(texture, points)
    assert torch.equal(some[present], every[present])
    x, y = ((points + 1) / 2 * torch.tensor([grid.width, grid.height])).long().unbind(dim=-1)
    kept = weights[texture, (y // grid.shown).clamp(max=grid.rows - 1), (x // grid.shown)] >= 0.5
    assert torch.equal(present, kept)


@few
@given(grids, st.integers(0, 100))
def test_the_heaviest_tiles_come_first_and_unseen_ones_never(grid: TileGrid, seed: int) -> None:
    weights = 2 * random(seed, *grid.shape) - 1
    slots = assign_slots(weights, 0.0)
    assert torch.equal(slots == ABSENT, weights < 0)
    order = slots[slots != ABSENT].argsort()
    kept = weights[slots != ABSENT][order]
    assert bool((kept.diff() <= 0).all())
    assert sorted(slots[slots != ABSENT].tolist()) == list(range(len(kept)))


@few
@given(st.integers(0, 2_000_000), st.sampled_from([16, 32, 64]))
def test_pages_are_what_phones_open_and_hold_all_tiles(slots: int, size: int) -> None:
    if slots > MAX_PAGES * (PAGE_SIZES[-1] // size) ** 2:
        with pytest.raises(UserError, match=r"at most 256 pages .*--threshold"):
            layout_pages(slots, size)
        return
    layout = layout_pages(slots, size)
    assert max(layout.width, layout.height) <= 4096
    assert layout.pages <= MAX_PAGES
    places = layout.tiles_per_row * layout.rows_per_page
    assert slots <= layout.pages * places
    if layout.pages <= 64:
        assert layout.width <= 2048


@few
@given(grids, st.integers(0, 100))
def test_weights_of_tiles_are_the_largest_of_their_texels(grid: TileGrid, seed: int) -> None:
    weights = 2 * random(seed, grid.textures, grid.height, grid.width) - 1
    assert texel_grid(grid).shape == weights.shape
    pooled = pool_weights(weights, grid)
    for texture, row, column in torch.ones(grid.shape).nonzero().tolist():
        top, left = row * grid.shown, column * grid.shown
        part = weights[texture, top : top + grid.shown, left : left + grid.shown]
        assert float(pooled[texture, row, column]) == float(part.max())


@few
@given(st.integers(0, 100), st.floats(0.1, 20))
def test_rounding_of_colors_errs_by_what_weights_allow(seed: int, tolerance: float) -> None:
    values, weights = random(seed, 2, 3, 9, 8), 1.2 * random(seed + 1, 2, 9, 8) ** 4 - 0.2
    error = (round_colors(values, weights, tolerance) - values).abs() * LEVELS
    seen = weights > 0
    assert bool((error * weights[:, None] <= tolerance + 1e-3)[seen[:, None].expand_as(error)].all())
    assert torch.equal(round_colors(values, weights, 0.0), values)
    unseen = round_colors(values, torch.full_like(weights, -1.0), tolerance)
    assert torch.unique(unseen).numel() == 1


@few
@given(st.integers(0, 300), st.sampled_from([1, 3]))
def test_pages_give_back_their_tiles(slots: int, channels: int) -> None:
    tiles = (random(slots, slots, 16, 16, channels) * 255).to(torch.uint8)
    layout = layout_pages(slots, 16)
    pages = pack_pages(tiles, layout).numpy()
    back = np.concatenate([unpack_page(page, layout) for page in pages])
    np.testing.assert_array_equal(back[:slots], tiles.numpy())


@few
@given(grids, st.integers(0, 50))
def test_covered_texels_are_those_that_are_stored(grid: TileGrid, seed: int) -> None:
    present = random(seed, *grid.shape) > 0.6
    expected = torch.zeros(grid.textures, grid.height, grid.width, dtype=torch.bool)
    for texture, row, column in present.nonzero().tolist():
        top, left = row * grid.shown - 1, column * grid.shown - 1
        expected[texture, max(0, top) : top + grid.size, max(0, left) : left + grid.size] = True
    assert torch.equal(cover(present, grid), expected)


@few
@given(st.integers(0, 100), st.floats(-50, 50), st.floats(1e-3, 100))
def test_rounding_changes_values_by_half_a_level_at_most(seed: int, low: float, width: float) -> None:
    values = low + width * random(seed, 2, 3, 5, 4)
    ranges = value_ranges(values, torch.ones(2, 5, 4, dtype=torch.bool))
    back = dequantize(quantize(values, ranges).float().movedim(1, -1), ranges[:, None, None])
    error = (back.movedim(-1, 1) - values).abs()
    slack = 1e-5 * (abs(low) + width)
    assert bool((error <= largest_error(ranges)[..., None, None] + slack).all())
    ends = torch.stack([values.amin(dim=(2, 3)), values.amax(dim=(2, 3))], dim=-1)
    torch.testing.assert_close(ranges, ends)


def test_ranges_look_at_used_texels_alone_and_survive_constants() -> None:
    values = torch.tensor([[[[1.0, 2.0, 100.0]]], [[[3.0, 3.0, 3.0]]], [[[7.0, 8.0, 9.0]]]])
    used = torch.tensor([[[True, True, False]], [[True, True, True]], [[False, False, False]]])
    ranges = value_ranges(values, used)
    assert ranges[0, 0].tolist() == [1.0, 2.0]
    assert quantize(values, ranges)[0].flatten().tolist() == [0, 255, 255]
    torch.testing.assert_close(
        dequantize(quantize(values, ranges)[1].float().movedim(0, -1), ranges[1]), torch.full((1, 3, 1), 3.0)
    )
    assert ranges[2, 0].tolist() == [0.0, 1.0]
