"""Parts of the manifest as checked, frozen records; `manifest` says what their fields mean."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from normnex_pl.export.baked.layout import MAX_PAGES, PAGE_SIZES, PageLayout, TileGrid

Count = Annotated[int, Field(ge=1, le=1 << 31)]
Bytes = Annotated[int, Field(ge=0)]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
GROUP = 3  # channels a picture
# Numbers that single precision holds, and whose differences and products of two it holds too.
_LARGEST = 1e18
Number = Annotated[float, Field(ge=-_LARGEST, le=_LARGEST)]
Positive = Annotated[float, Field(ge=1 / _LARGEST, le=_LARGEST)]
Matrix = tuple[tuple[Number, Number, Number, Number], ...]
# Types are exact and numbers finite.
EXACT = ConfigDict(strict=True, allow_inf_nan=False)


@dataclass(frozen=True, config=EXACT)
class FileEntry:
    """A file beside the manifest; no name leads out of the folder."""

    file: FileName
    bytes: Bytes
    sha256: Digest


@dataclass(frozen=True, config=EXACT)
class GeometryEntry:
    """The fields of `MPIGeometry`."""

    fx: Positive
    fy: Positive
    cx: Number
    cy: Number
    width: Count
    height: Count
    padding: Annotated[int, Field(ge=0, le=1 << 31)]
    near: Positive
    far: Positive
    spacing: Literal["depth", "disparity"] | Annotated[tuple[Positive, ...], Field(min_length=2)]


@dataclass(frozen=True, config=EXACT)
class CameraEntry:
    """Intrinsics and size of the photos, in pixels."""

    fx: Positive
    fy: Positive
    cx: Number
    cy: Number
    width: Count
    height: Count


@dataclass(frozen=True, config=EXACT)
class ColorEntry:
    """A colour model, and whether its luma may be negative."""

    model: Literal["rgb", "ycbcr", "additive_ycbcr"]
    signed: bool


@dataclass(frozen=True, config=EXACT)
class BasisEntry:
    """The table of the basis functions, with the fields of its `FileEntry`."""

    query: Literal["view", "reflection"]
    shape: tuple[Annotated[int, Field(ge=2, le=2048)], ...]
    num_basis: Annotated[int, Field(ge=1, le=1024)]
    error: Number
    file: FileName
    bytes: Bytes
    sha256: Digest

    @property
    def stored(self) -> FileEntry:
        """The file."""
        return FileEntry(file=self.file, bytes=self.bytes, sha256=self.sha256)

    @model_validator(mode="after")
    def _fits(self) -> BasisEntry:
        """Check that the file has as many bytes as the table."""
        axes = 2 if self.query == "view" else 3
        expect(len(self.shape) == axes, f"shape: expected {axes} axes, found {len(self.shape)}")
        size = 2 * math.prod(self.shape) * self.num_basis
        expect(self.bytes == size, f"bytes: expected {size} of a table of its shape")
        return self


@dataclass(frozen=True, config=EXACT)
class TextureEntry:
    """Textures of one kind, cut into tiles."""

    height: Count
    width: Count
    tile: Annotated[int, Field(ge=3, le=PAGE_SIZES[-1])]
    rows: Count
    columns: Count
    channels: Annotated[int, Field(ge=1, le=4096)]
    tiles_per_row: Count
    rows_per_page: Count
    pages: Annotated[int, Field(ge=1, le=MAX_PAGES)]
    slots: Annotated[int, Field(ge=0)]
    table: FileEntry
    files: tuple[tuple[FileEntry, ...], ...]
    ranges: tuple[tuple[tuple[Number, Number], ...], ...]

    @property
    def grid(self) -> TileGrid:
        """The cut of the textures into tiles."""
        return TileGrid(len(self.ranges), self.height, self.width, self.tile)

    @property
    def layout(self) -> PageLayout:
        """The layout of the slots on pages."""
        return PageLayout(self.tiles_per_row, self.rows_per_page, self.pages, self.tile)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of textures, and their channels."""
        return len(self.ranges), self.channels

    @property
    def groups(self) -> int:
        """Pictures a page: three channels each."""
        return -(-self.channels // GROUP)

    @model_validator(mode="after")
    def _fits(self) -> TextureEntry:
        """Check that tables, pages and files fit each other, and that pages are no larger than baked ones."""
        grid, layout = self.grid, self.layout
        found = len(self.ranges), self.rows, self.columns
        expect(grid.shape == found, f"rows, columns: expected {grid.rows} x {grid.columns} tiles")
        expect(self.table.bytes == 4 * math.prod(found), "table: expected four bytes a tile")
        largest = max(layout.width, layout.height)
        expect(largest <= PAGE_SIZES[-1], f"tile: expected pages of at most {PAGE_SIZES[-1]} texels")
        expect(self.slots <= self.pages * layout.slots_per_page, "slots: expected as many as fit the pages")
        fits = len(self.files) == self.pages and all(len(page) == self.groups for page in self.files)
        expect(fits, f"files: expected {self.pages} pages of {self.groups}")
        fits = all(len(channels) == self.channels for channels in self.ranges)
        expect(fits, f"ranges: expected {self.channels} channels")
        return self


@dataclass(frozen=True, config=EXACT)
class TexturesEntry:
    """Textures by their kinds."""

    alpha: TextureEntry
    base_color: TextureEntry
    features: TextureEntry

    @property
    def files(self) -> list[FileEntry]:
        """All files of the textures."""
        every = (self.alpha, self.base_color, self.features)
        return [file for one in every for file in (one.table, *(file for page in one.files for file in page))]


@dataclass(frozen=True, config=EXACT)
class SizesEntry:
    """Bytes of the whole image, on disk and in memory."""

    disk: Bytes
    decoded: Bytes


def expect(condition: bool, message: str) -> None:
    """Refuse an entry that doesn't fit the others."""
    if not condition:
        raise ValueError(message)
