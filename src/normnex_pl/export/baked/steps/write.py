"""Step 4 of a bake: write pictures, tables and the manifest, whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from normnex_pl.core.files import replacing_folder
from normnex_pl.export.baked.basis_table import FittedTable
from normnex_pl.export.baked.entries import GROUP, BasisEntry, SizesEntry, TextureEntry, TexturesEntry
from normnex_pl.export.baked.files import describe_file, write_manifest
from normnex_pl.export.baked.kinds import Kinds
from normnex_pl.export.baked.layout import layout_pages
from normnex_pl.export.baked.manifest import Manifest
from normnex_pl.export.baked.parallel import in_parallel
from normnex_pl.export.baked.presenting import Presentation, write_poster
from normnex_pl.export.baked.steps.quantize import QuantizedTexture
from normnex_pl.export.baked.tiles import ABSENT, pack_pages


@dataclass(frozen=True)
class Encoding:
    """Compression of pictures.

    Attributes:
        format: PNG or WebP, which every browser opens.
        quality: Of WebP, 1 to 100, which changes values; None keeps every byte.
    """

    format: Literal["webp", "png"] = "webp"
    quality: int | None = None

    def write(self, pixels: UInt8[np.ndarray, "height width channel"], path: Path) -> Path:
        """Write a picture of one or three channels; the format gives the path its ending."""
        image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        path = path.with_suffix(f".{self.format}")
        if self.format == "png":
            image.save(path, optimize=True)
        elif self.quality is None:
            image.save(path, lossless=True, quality=75, method=4, exact=True)
        else:
            image.save(path, quality=self.quality, method=4)
        return path


def write_image(
    folder: Path,
    description: Mapping[str, Any],
    textures: Kinds[QuantizedTexture],
    basis: FittedTable,
    base_color: Encoding,
    exact: Encoding,
    presentation: Presentation | None = None,
) -> Manifest:
    """Write a baked multiplane image, whole or not at all.

    Args:
        folder: Target; an older image is replaced.
        description: See `describe`.
        textures: Bytes of the textures.
        basis: The basis functions.
        base_color: How base colours are compressed.
        exact: How opacities and features are compressed.
        presentation: What the image says of itself.

    Raises:
        UserError: There are more tiles than pages can hold.
    """
    with replacing_folder(folder) as temporary:
        written = TexturesEntry(
            write_texture(temporary, "alpha", textures.alpha, exact),
            write_texture(temporary, "base_color", textures.base_color, base_color),
            write_texture(temporary, "features", textures.features, exact),
        )
        table = write_basis(temporary, basis)
        entry = None if presentation is None else write_poster(temporary, presentation)
        posters = [entry.poster] if entry and entry.poster else []
        files = [table.stored, *written.files, *posters]
        sizes = SizesEntry(sum(file.bytes for file in files), decoded_bytes(written, table))
        manifest = Manifest(**description, textures=written, basis=table, bytes=sizes, presentation=entry)
        write_manifest(temporary, manifest)
    return manifest


def write_texture(folder: Path, name: str, texture: QuantizedTexture, encoding: Encoding) -> TextureEntry:
    """Write textures of one kind as pages of tiles, and the table of their slots.

    Returns:
        Their entry of the manifest.
    """
    grid, layout = texture.grid, layout_pages(len(texture.tiles), texture.grid.size)
    pages = [split_channels(pixels) for pixels in pack_pages(texture.tiles, layout).cpu().numpy()]
    jobs = [
        (picture, folder / (f"{name}_{page:03d}" + (f"_{group}" if len(pictures) > 1 else "")))
        for page, pictures in enumerate(pages)
        for group, picture in enumerate(pictures)
    ]
    written = iter(in_parallel(lambda job: describe_file(encoding.write(*job)), jobs))
    files = tuple(tuple(next(written) for _ in pictures) for pictures in pages)
    table = folder / f"{name}_tiles.bin"
    table.write_bytes((texture.slots - ABSENT).cpu().numpy().astype("<u4").tobytes())
    return TextureEntry(
        height=grid.height,
        width=grid.width,
        tile=grid.size,
        rows=grid.rows,
        columns=grid.columns,
        channels=texture.tiles.shape[-1],
        tiles_per_row=layout.tiles_per_row,
        rows_per_page=layout.rows_per_page,
        pages=layout.pages,
        slots=len(texture.tiles),
        table=describe_file(table),
        files=files,
        ranges=tuple(tuple(map(tuple, channels)) for channels in texture.ranges.tolist()),
    )


def write_basis(folder: Path, basis: FittedTable) -> BasisEntry:
    """Write the table of the basis functions.

    Returns:
        Its entry of the manifest.
    """
    path = folder / "basis.bin"
    path.write_bytes(basis.values.movedim(0, -1).cpu().numpy().astype("<f2").tobytes())
    count, *shape = basis.values.shape
    stored = describe_file(path)
    return BasisEntry(
        basis.query.name, tuple(shape), count, basis.error, stored.file, stored.bytes, stored.sha256
    )


def split_channels(pixels: UInt8[np.ndarray, "height width channel"]) -> list[np.ndarray]:
    """Split into groups of three channels, the last one padded with zeros; a single channel stays alone."""
    channels = pixels.shape[-1]
    if channels == 1:
        return [pixels]
    filled = np.pad(pixels, ((0, 0), (0, 0), (0, -channels % GROUP)))
    return [filled[..., first : first + GROUP] for first in range(0, channels, GROUP)]


def decoded_bytes(textures: TexturesEntry, basis: BasisEntry) -> int:
    """Count the memory of tables, and of textures on a graphics card: three channels take four bytes."""
    total = basis.bytes
    for texture in (textures.alpha, textures.base_color, textures.features):
        texel = 1 if texture.channels == 1 else 4 * texture.groups
        tiles = texture.pages * texture.layout.slots_per_page
        total += tiles * texture.tile**2 * texel + texture.table.bytes
    return total
