"""The layout of textures: square tiles, and pages of tiles.

A tile of ``size`` texels shows ``size - 2`` of its texture, surrounded by a border of one texel of its
neighbours; at the ends of the texture its last texels are repeated. Bilinear reading inside a tile therefore
equals reading the whole texture. A point belongs to one tile: the one that shows its texel.

Tiles that are kept have a slot, counted from 0 over pages, rows of a page and tiles of a row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from normnex_pl.core.errors import UserError

PADDING = 1
# Every WebGL 2 device can open 2048 texels; phones of the last ten years can open 4096.
PAGE_SIZES = (2048, 4096)
MAX_PAGES = 256


@dataclass(frozen=True)
class TileGrid:
    """The cut of textures of one size into tiles.

    Attributes:
        textures: Number of textures: one a plane or a layer.
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
        """Rows of tiles on a texture."""
        return math.ceil(self.height / self.shown)

    @property
    def columns(self) -> int:
        """Columns of tiles on a texture."""
        return math.ceil(self.width / self.shown)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Textures, rows and columns: the shape of a table with an entry a tile."""
        return self.textures, self.rows, self.columns


@dataclass(frozen=True)
class PageLayout:
    """The layout of slots on pages of one size.

    Attributes:
        tiles_per_row: Tiles beside each other on a page.
        rows_per_page: Rows of tiles on a page.
        pages: Number of pages.
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

    @property
    def slots_per_page(self) -> int:
        """Places for tiles on a page."""
        return self.tiles_per_row * self.rows_per_page


def layout_pages(slots: int, size: int) -> PageLayout:
    """Fit tiles onto as few pages as possible, filled about equally; without tiles there is one page.

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
