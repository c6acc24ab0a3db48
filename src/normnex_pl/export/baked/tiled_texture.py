"""Tiled textures in memory, read from their files."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image
from torch import Tensor, nn

from normnex_pl.core.errors import UserError
from normnex_pl.export.baked.codes import dequantize
from normnex_pl.export.baked.entries import GROUP, FileEntry, TextureEntry
from normnex_pl.export.baked.files import AGAIN, read_file
from normnex_pl.export.baked.layout import TileGrid
from normnex_pl.export.baked.parallel import in_parallel
from normnex_pl.export.baked.tiles import ABSENT, locate, unpack_page

# Raised by Pillow's decoders: several let the errors of what they are built on through.
_UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    MemoryError,
    IndexError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


class TiledTexture(nn.Module):
    """Textures in memory, as the bytes of their tiles.

    Attributes:
        grid: How the textures are cut.
        slots: Of each tile, or `ABSENT`.
        tiles: Bytes of the tiles, by slot; at least one tile. A texel with several channels is padded to
            whole words of four bytes, which a graphics card reads at once.
        ranges: Ends of the bytes' values.
    """

    slots: Int[Tensor, "texture row column"]
    tiles: UInt8[Tensor, "slot size size byte"]
    ranges: Float[Tensor, "texture channel 2"]

    def __init__(
        self,
        grid: TileGrid,
        slots: Int[Tensor, "texture row column"],
        tiles: UInt8[Tensor, "slot size size byte"],
        ranges: Float[Tensor, "texture channel 2"],
    ) -> None:
        super().__init__()
        self.grid = grid
        self.register_buffer("slots", slots)
        self.register_buffer("tiles", tiles)
        self.register_buffer("ranges", ranges)

    @property
    def memory(self) -> int:
        """Bytes of all buffers."""
        return sum(buffer.nbytes for buffer in self.buffers())

    def read(
        self, textures: Int[Tensor, "*#sample"], coordinates: Float[Tensor, "*sample 2"]
    ) -> tuple[Float[Tensor, "*sample channel"], Bool[Tensor, "*sample"]]:
        """Read bilinearly.

        Args:
            textures: Indices of planes or layers.
            coordinates: Canvas coordinates.

        Returns:
            Values, arbitrary where there is no tile; and whether there is a tile.
        """
        row, column, inside = locate(self.grid, coordinates)
        slots = self.slots[textures, row, column]
        present = slots != ABSENT
        size = self.grid.size
        corner = (inside - 0.5).floor().clamp(0, size - 2)
        x, y = (inside - 0.5 - corner).unsqueeze(-1).unbind(dim=-2)
        left, top = corner.long().unbind(dim=-1)
        first = (slots.clamp(min=0).long() * size + top) * size + left
        texels = self.tiles.flatten(0, 2)[:, : self.ranges.shape[1]]
        upper = torch.lerp(texels[first].float(), texels[first + 1].float(), x)
        lower = torch.lerp(texels[first + size].float(), texels[first + size + 1].float(), x)
        return dequantize(torch.lerp(upper, lower, y), self.ranges[textures]), present


def texel_bytes(channels: int) -> int:
    """Return the bytes of a texel in memory."""
    return 1 if channels == 1 else 4 * -(-channels // 4)


def read_texture(folder: Path, name: str, entry: TextureEntry) -> TiledTexture:
    """Read textures that a bake wrote.

    Raises:
        UserError: A file is missing, or isn't what was baked.
    """
    grid, layout = entry.grid, entry.layout
    table = np.frombuffer(read_file(folder, entry.table), "<u4").astype(np.int32).reshape(grid.shape)
    slots = torch.from_numpy(table) + ABSENT
    if int(slots.max()) >= entry.slots or int(slots.min()) < ABSENT:
        raise UserError(
            f"{folder / entry.table.file}: expected slots of {name} below {entry.slots}, found others. "
            f"{AGAIN}"
        )
    tiles = np.zeros((max(1, entry.slots), grid.size, grid.size, texel_bytes(entry.channels)), np.uint8)

    def read_page(page: int) -> None:
        some = tiles[page * layout.slots_per_page : (page + 1) * layout.slots_per_page]
        for group, file in enumerate(entry.files[page]):
            first, last = group * GROUP, min((group + 1) * GROUP, entry.channels)
            pixels = decode_picture(folder, file, (layout.height, layout.width))[..., : last - first]
            some[..., first:last] = unpack_page(pixels, layout)[: len(some)]

    in_parallel(read_page, range(entry.pages))
    return TiledTexture(grid, slots, torch.from_numpy(tiles), torch.tensor(entry.ranges))


def decode_picture(
    folder: Path, entry: FileEntry, size: tuple[int, int]
) -> UInt8[np.ndarray, "height width 3"]:
    """Decode a picture of a known height and width; grey ones get three channels.

    Raises:
        UserError: The file is missing, or isn't such a picture.
    """
    content = read_file(folder, entry)
    try:
        with Image.open(io.BytesIO(content)) as image:
            found = (image.height, image.width)
            pixels = np.asarray(image.convert("RGB")) if found == size else None
    except _UNREADABLE as error:
        raise UserError(f"{folder / entry.file}: expected a picture, found {error}. {AGAIN}") from None
    if pixels is None:
        raise UserError(
            f"{folder / entry.file}: expected {size[1]} x {size[0]} pixels, "
            f"found {found[1]} x {found[0]}. {AGAIN}"
        )
    return pixels
