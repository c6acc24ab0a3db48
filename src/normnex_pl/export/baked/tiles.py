"""Textures as square tiles: which tile a point lies on, cutting tiles with padding, packing them on pages.

A tile of ``size`` texels shows ``size - 2`` of its texture, and a border of one texel of its neighbours; at
the ends of the texture its last texels are repeated. Bilinear reading inside of a tile therefore equals
reading the whole texture. A point lies on one tile: the one that its texel is on.

Tiles that are kept have a slot, counted from 0 over pages, rows of a page and tiles of a row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from normnex_pl.core.errors import UserError

PADDING = 1
ABSENT = -1
# What every WebGL 2 device can open is 2048; what phones of the last ten years can is 4096.
PAGE_SIZES = (2048, 4096)
MAX_PAGES = 256


@dataclass(frozen=True)
class TileGrid:
    """How textures of one size are cut.

    Attributes:
        textures: How many: one a plane or a layer.
        height: Texels of a texture.
        width: Texels of a texture.
        size: Texels along a stored tile, its padding included.
    """

    textures: int
    height: int
    width: int
    size: int

    @property
    def shown(self) -> int:
        """Texels of the texture along a tile."""
        return self.size - 2 * PADDING

    @property
    def rows(self) -> int:
        """Of tiles on a texture."""
        return math.ceil(self.height / self.shown)

    @property
    def columns(self) -> int:
        """Of tiles on a texture."""
        return math.ceil(self.width / self.shown)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Textures, rows and columns: of a table with an entry a tile."""
        return self.textures, self.rows, self.columns


@dataclass(frozen=True)
class PageLayout:
    """How slots lie on pages of one size.

    Attributes:
        tiles_per_row: Tiles beside each other on a page.
        rows_per_page: Rows of tiles on a page.
        pages: How many.
        size: Texels along a tile.
    """

    tiles_per_row: int
    rows_per_page: int
    pages: int
    size: int

    @property
    def width(self) -> int:
        """Texels of a page."""
        return self.tiles_per_row * self.size

    @property
    def height(self) -> int:
        """Texels of a page."""
        return self.rows_per_page * self.size


def layout_pages(slots: int, size: int) -> PageLayout:
    """Fit tiles onto as few pages as can be, of about the same fill; one without tiles, if there are none.

    Raises:
        UserError: They need more pages than a texture array may have layers.
    """
    slots = max(1, slots)
    for page in PAGE_SIZES:
        side = page // size
        pages = math.ceil(slots / side**2)
        if pages <= MAX_PAGES:
            rows = math.ceil(math.ceil(slots / pages) / side)
            return PageLayout(min(side, slots), rows, pages, size)
    raise UserError(
        f"baked textures: expected at most {MAX_PAGES} pages of {PAGE_SIZES[-1]} texels, found {pages}. "
        "Drop more tiles (--threshold=...), or bake fewer texels (--alpha_pixels=..., --feature_pixels=...)."
    )


def locate(
    grid: TileGrid, coordinates: Float[Tensor, "*sample 2"]
) -> tuple[Int[Tensor, "*sample"], Int[Tensor, "*sample"], Float[Tensor, "*sample 2"]]:
    """Find the tiles of points.

    Args:
        grid: How the textures are cut.
        coordinates: Canvas coordinates; beyond the canvas its border is meant.

    Returns:
        Row and column of the tile, and x and y inside of the stored tile in texels, whose centres lie at
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
    """Numbers the tiles that are worth a place, the heaviest first, so that a viewer can begin with these.

    Args:
        weights: Of the tiles; negative where no ray came by.
        threshold: The smallest weight that is kept.

    Returns:
        A slot a tile, or `ABSENT`.
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
    """Which texels are stored with the tiles that there are, in themselves or in their padding."""
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
    """Lay tiles onto pages; what is left over is zero."""
    places = layout.pages * layout.rows_per_page * layout.tiles_per_row
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
