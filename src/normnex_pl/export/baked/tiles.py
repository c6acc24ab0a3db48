"""Tiles of textures as tensors: find points on them, number, cut and pack them. See `layout`."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from normnex_pl.export.baked.layout import PADDING, PageLayout, TileGrid

ABSENT = -1


def locate(
    grid: TileGrid, coordinates: Float[Tensor, "*sample 2"]
) -> tuple[Int[Tensor, "*sample"], Int[Tensor, "*sample"], Float[Tensor, "*sample 2"]]:
    """Find the tiles of points.

    Args:
        grid: How the textures are cut.
        coordinates: Canvas coordinates; clamped to the canvas.

    Returns:
        Row and column of the tile, and x and y inside the stored tile in texels, whose centres lie at
        integer + 0.5.
    """
    x = ((coordinates[..., 0] + 1) * (grid.width / 2)).clamp(0, grid.width)
    y = ((coordinates[..., 1] + 1) * (grid.height / 2)).clamp(0, grid.height)
    column = (x / grid.shown).floor().clamp(max=grid.columns - 1)
    row = (y / grid.shown).floor().clamp(max=grid.rows - 1)
    inside = torch.stack([x - column * grid.shown, y - row * grid.shown], dim=-1) + PADDING
    return row.int(), column.int(), inside


def assign_slots(
    weights: Float[Tensor, "texture row column"], threshold: float
) -> Int[Tensor, "texture row column"]:
    """Number the tiles that are kept, the heaviest first, so that a viewer can begin with these.

    Args:
        weights: Of the tiles; negative where no ray passed.
        threshold: The smallest weight that is kept.

    Returns:
        The slot of each tile, or `ABSENT`.
    """
    flat = weights.flatten()
    order = flat.argsort(descending=True, stable=True)
    order = order[(flat[order] >= threshold) & (flat[order] >= 0)]
    slots = torch.full_like(flat, ABSENT, dtype=torch.int32)
    slots[order] = torch.arange(len(order), dtype=torch.int32, device=flat.device)
    return slots.view_as(weights)


def cover(
    present: Bool[Tensor, "texture row column"], grid: TileGrid
) -> Bool[Tensor, "texture height width"]:
    """Find the texels that the present tiles store, in themselves or in their padding."""
    rows = present.repeat_interleave(grid.shown, dim=1)[:, : grid.height]
    texels = rows.repeat_interleave(grid.shown, dim=2)[:, :, : grid.width]
    side = 2 * PADDING + 1
    return F.max_pool2d(texels[:, None].float(), side, stride=1, padding=PADDING)[:, 0] > 0


def cut_tiles(
    textures: UInt8[Tensor, "texture channel height width"],
    slots: Int[Tensor, "texture row column"],
    grid: TileGrid,
) -> UInt8[Tensor, "slot size size channel"]:
    """Cut the tiles that have a slot, in the order of their slots, with padding."""
    present = (slots != ABSENT).nonzero()
    texture, row, column = present[slots[slots != ABSENT].argsort()].unbind(dim=-1)
    reach = torch.arange(grid.size, device=slots.device) - PADDING
    y = (row[:, None] * grid.shown + reach).clamp(0, grid.height - 1)
    x = (column[:, None] * grid.shown + reach).clamp(0, grid.width - 1)
    # A slice between indices: PyTorch puts the channels last.
    return textures[texture[:, None, None], :, y[:, :, None], x[:, None, :]]


def pack_pages(
    tiles: UInt8[Tensor, "slot size size channel"], layout: PageLayout
) -> UInt8[Tensor, "page height width channel"]:
    """Lay tiles onto pages; places without a tile are zero."""
    places = layout.pages * layout.slots_per_page
    padded = torch.cat([tiles, tiles.new_zeros(places - len(tiles), *tiles.shape[1:])])
    by_place = padded.view(layout.pages, layout.rows_per_page, layout.tiles_per_row, *tiles.shape[1:])
    shape = (layout.pages, layout.height, layout.width, tiles.shape[-1])
    return by_place.transpose(2, 3).reshape(shape)


def unpack_page(
    page: UInt8[np.ndarray, "height width channel"], layout: PageLayout
) -> UInt8[np.ndarray, "place size size channel"]:
    """Return the tiles of a page, in the order of their slots."""
    size = layout.size
    rows = page.reshape(layout.rows_per_page, size, layout.tiles_per_row, size, page.shape[-1])
    return rows.swapaxes(1, 2).reshape(-1, size, size, page.shape[-1])
