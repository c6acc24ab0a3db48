"""Tiled textures on disk and in memory."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image
from torch import Tensor, nn

from normnex_pl.core.errors import UserError
from normnex_pl.export.baked.manifest import AGAIN, describe_file, read_file
from normnex_pl.export.baked.quantize import dequantize, quantize
from normnex_pl.export.baked.tiles import (
    ABSENT,
    PageLayout,
    TileGrid,
    cut_tiles,
    layout_pages,
    locate,
    pack_pages,
    unpack_page,
)

_GROUP = 3  # channels a picture
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Encoding:
    """How pictures are compressed.

    Attributes:
        format: PNG and WebP are what every browser opens.
        quality: Of WebP, 1 to 100, which changes values; None keeps every byte.
    """

    format: Literal["webp", "png"] = "webp"
    quality: int | None = None

    def write(self, pixels: UInt8[np.ndarray, "height width channel"], path: Path) -> Path:
        """Write a picture of one or three channels, at the path with its ending."""
        image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        path = path.with_suffix(f".{self.format}")
        if self.format == "png":
            image.save(path, optimize=True)
        elif self.quality is None:
            image.save(path, lossless=True, quality=75, method=4, exact=True)
        else:
            image.save(path, quality=self.quality, method=4)
        return path


def write_texture(
    folder: Path,
    name: str,
    values: Float[Tensor, "texture channel height width"],
    ranges: Float[Tensor, "texture channel 2"],
    slots: Int[Tensor, "texture row column"],
    grid: TileGrid,
    encoding: Encoding,
) -> dict[str, Any]:
    """Write the tiles that have a slot, and say what the manifest says of them."""
    codes = torch.stack([quantize(*one) for one in zip(values[:, None], ranges[:, None], strict=True)])[:, 0]
    tiles = cut_tiles(codes, slots, grid)
    layout = layout_pages(len(tiles), grid.size)
    pages = [_pictures(pixels) for pixels in pack_pages(tiles, layout).cpu().numpy()]
    jobs = [
        (picture, folder / (f"{name}_{page:03d}" + (f"_{group}" if len(pictures) > 1 else "")))
        for page, pictures in enumerate(pages)
        for group, picture in enumerate(pictures)
    ]
    written = iter(_in_parallel(lambda job: describe_file(encoding.write(*job)), jobs))
    files = [[next(written) for _ in pictures] for pictures in pages]
    table = folder / f"{name}_tiles.bin"
    table.write_bytes((slots - ABSENT).cpu().numpy().astype("<u4").tobytes())
    return {
        "height": grid.height,
        "width": grid.width,
        "tile": grid.size,
        "rows": grid.rows,
        "columns": grid.columns,
        "channels": values.shape[1],
        "tiles_per_row": layout.tiles_per_row,
        "rows_per_page": layout.rows_per_page,
        "pages": layout.pages,
        "slots": len(tiles),
        "table": describe_file(table),
        "files": files,
        "ranges": ranges.tolist(),
    }


def _in_parallel(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """Results by threads: what takes long, compressing and decompressing, lets others run meanwhile."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, items))


def _pictures(pixels: UInt8[np.ndarray, "height width channel"]) -> list[np.ndarray]:
    """Return groups of three channels, the last one filled up with zeros; a single channel stays alone."""
    channels = pixels.shape[-1]
    if channels == 1:
        return [pixels]
    filled = np.pad(pixels, ((0, 0), (0, 0), (0, -channels % _GROUP)))
    return [filled[..., first : first + _GROUP] for first in range(0, channels, _GROUP)]


class TiledTexture(nn.Module):
    """Textures in memory, as bytes, read where their tiles are.

    Attributes:
        grid: How the textures are cut.
        slots: Of each tile, or `ABSENT`.
        tiles: Bytes of the tiles, by slot; at least one. A texel with several channels is filled up to whole
            words of four bytes, which a graphics card reads at once.
        ranges: Of the bytes' values.
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
        """Bytes."""
        return sum(buffer.nbytes for buffer in self.buffers())

    def read(
        self, textures: Int[Tensor, "*#sample"], coordinates: Float[Tensor, "*sample 2"]
    ) -> tuple[Float[Tensor, "*sample channel"], Bool[Tensor, "*sample"]]:
        """Read bilinearly.

        Args:
            textures: Which ones.
            coordinates: Canvas coordinates.

        Returns:
            Values, any where there is no tile; and whether there is one.
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
    """Bytes of a texel in memory."""
    return 1 if channels == 1 else 4 * -(-channels // 4)


def read_texture(folder: Path, name: str, entry: dict[str, Any]) -> TiledTexture:
    """Read what `write_texture` wrote.

    Raises:
        UserError: A file is missing, or isn't what was baked.
    """
    shape = len(entry["ranges"]), entry["rows"], entry["columns"]
    grid = TileGrid(shape[0], entry["height"], entry["width"], entry["tile"])
    table = np.frombuffer(read_file(folder, entry["table"]), "<u4").astype(np.int32).reshape(shape)
    layout = PageLayout(entry["tiles_per_row"], entry["rows_per_page"], entry["pages"], grid.size)
    places = layout.tiles_per_row * layout.rows_per_page
    tiles = np.zeros((max(1, entry["slots"]), grid.size, grid.size, texel_bytes(entry["channels"])), np.uint8)
    slots = torch.from_numpy(table) + ABSENT
    if (
        grid.shape != shape
        or int(slots.max()) >= entry["slots"]
        or not len(entry["files"]) == entry["pages"] >= len(tiles) / places
    ):
        raise UserError(f"{folder}: expected the tables of {name} to fit each other, found others. {AGAIN}")

    def read_page(page: int) -> None:
        some = tiles[page * places : (page + 1) * places]
        for group, file in enumerate(entry["files"][page]):
            first, last = group * _GROUP, min((group + 1) * _GROUP, entry["channels"])
            pixels = _decode(folder, file, (layout.height, layout.width))[..., : last - first]
            some[..., first:last] = unpack_page(pixels, layout)[: len(some)]

    _in_parallel(read_page, range(entry["pages"]))
    return TiledTexture(grid, slots, torch.from_numpy(tiles), torch.tensor(entry["ranges"]))


def _decode(folder: Path, entry: dict[str, Any], size: tuple[int, int]) -> UInt8[np.ndarray, "_ _ 3"]:
    """Decode a picture of a known height and width; grey ones get three channels."""
    content = read_file(folder, entry)
    try:
        with Image.open(io.BytesIO(content)) as image:
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(f"{folder / entry['file']}: expected a picture, found {error}. {AGAIN}") from None
    if pixels.shape[:2] != size:
        found = f"{pixels.shape[1]} x {pixels.shape[0]}"
        raise UserError(
            f"{folder / entry['file']}: expected {size[1]} x {size[0]} pixels, found {found}. {AGAIN}"
        )
    return pixels
