"""Write a baked multiplane image: evaluate a model, drop what no view can see, store the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import replacing_folder, write_json
from normnex_pl.core.types import Camera
from normnex_pl.export.baked.basis_table import fit_table, table_query
from normnex_pl.export.baked.manifest import FORMAT, MANIFEST, VERSION, describe_file, files_of
from normnex_pl.export.baked.parts import background_name, describe_color, normals_name
from normnex_pl.export.baked.quantize import value_ranges
from normnex_pl.export.baked.rounding import pool_weights, round_colors, texel_grid
from normnex_pl.export.baked.textures import (
    TextureSizes,
    bake_alpha,
    bake_base_color,
    bake_features,
    coarser,
    natural_sizes,
)
from normnex_pl.export.baked.tiled_texture import Encoding, write_texture
from normnex_pl.export.baked.tiles import ABSENT, TileGrid, assign_slots, cover
from normnex_pl.export.baked.visibility import TileGrids, tile_weights, viewpoints
from normnex_pl.model.mpi import MPI

# Pixels of the canvas along a tile, about, and limits of its texels.
_TILE_PIXELS = 64
_TILE_SIZES = (16, 32, 64)


@dataclass(frozen=True)
class BakeSettings:
    """How a model is baked.

    Attributes:
        threshold: Least weight, in any pixel of any view, of a tile that is kept.
        alpha_pixels: Canvas pixels along a texel of the opacities; by default as the field has them.
        feature_pixels: Canvas pixels along a texel of the features; by default as the field has them.
        tolerance: How far rounding a texel's base colour may move a pixel, in 8-bit levels; 0 rounds nothing.
        format: Of the pictures; every browser opens both.
        quality: Of lossy WebP for base colours, 1 to 100; by default every byte is kept.
    """

    threshold: float = 1 / 64
    alpha_pixels: float | None = None
    feature_pixels: float | None = None
    tolerance: float = 1.0
    format: Literal["webp", "png"] = "webp"
    quality: int | None = None

    def __post_init__(self) -> None:
        """Raise a UserError if a number is out of range."""
        for name in ("alpha_pixels", "feature_pixels"):
            value = getattr(self, name)
            if value is not None and not value >= 0.5:
                raise UserError(f"--{name}: expected at least 0.5 pixels, found {value:g}.")
        if not 0 <= self.threshold <= 1:
            raise UserError(f"--threshold: expected a weight from 0 to 1, found {self.threshold:g}.")
        if not 0 <= self.tolerance <= 128:
            raise UserError(f"--tolerance: expected 0 to 128 levels, found {self.tolerance:g}.")
        if self.quality is not None and (self.format != "webp" or not 1 <= self.quality <= 100):
            raise UserError(f"--quality: expected 1 to 100, of WebP, found {self.quality} of {self.format}.")

    @property
    def base_color(self) -> Encoding:
        """How base colours are compressed."""
        return Encoding(self.format, self.quality)

    @property
    def exact(self) -> Encoding:
        """How opacities and features are compressed, whose channels aren't colours."""
        return Encoding(self.format)


@torch.no_grad()
def bake(
    mpi: MPI, cameras: Sequence[Camera], folder: Path, settings: BakeSettings, provenance: dict[str, Any]
) -> dict[str, Any]:
    """Write a baked multiplane image, whole or not at all.

    Args:
        mpi: The model.
        cameras: The training views', on the model's device: what they can't see isn't baked.
        folder: Where to; an older one is replaced.
        settings: How.
        provenance: Where it comes from, for the manifest.

    Returns:
        The manifest.

    Raises:
        UserError: A part of the model can't be baked, or it is too large.
    """
    manifest = {"format": FORMAT, "version": VERSION, **_describe(mpi, cameras), "provenance": provenance}
    with replacing_folder(folder) as temporary:
        manifest["textures"] = _write_textures(mpi, cameras, temporary, settings)
        manifest["basis"] = _write_basis(mpi, temporary)
        manifest["bytes"] = {
            "disk": sum(file["bytes"] for file in files_of(manifest)),
            "decoded": decoded_bytes(manifest),
        }
        write_json(temporary / MANIFEST, manifest)
    return manifest


def _describe(mpi: MPI, cameras: Sequence[Camera]) -> dict[str, Any]:
    """Return all of the manifest that isn't in other files."""
    first = cameras[0]
    intrinsics = {"fx": first.K[0, 0], "fy": first.K[1, 1], "cx": first.K[0, 2], "cy": first.K[1, 2]}
    return {
        "geometry": asdict(mpi.geometry),
        "depths": mpi.depths.tolist(),
        "layer_depths": mpi.layer_depths.tolist(),
        "sublayers": mpi.sublayers,
        "background": background_name(mpi.background),
        "color": describe_color(mpi.color),
        "normals": normals_name(mpi.normals),
        "num_color_features": mpi.num_color_features,
        "gate": float(mpi.gate),
        "camera": {name: float(value) for name, value in intrinsics.items()}
        | {"width": first.width, "height": first.height},
        "viewpoints": [camera.c2w.tolist() for camera in cameras],
    }


def _write_textures(
    mpi: MPI, cameras: Sequence[Camera], folder: Path, settings: BakeSettings
) -> dict[str, Any]:
    """Write what views can see of all textures."""
    sizes = _sizes(mpi, settings)
    alpha_grid = _grid(mpi, len(mpi.depths), sizes.alpha)
    base_grid = _grid(mpi, mpi.num_layers, sizes.base_color)
    feature_grid = _grid(mpi, mpi.num_layers, sizes.features)
    weights = tile_weights(
        mpi, viewpoints(cameras), TileGrids(alpha_grid, texel_grid(base_grid), feature_grid)
    )
    if background_name(mpi.background) == "opaque_last_plane":
        weights.alpha[-1] = -1  # known without a texture
    threshold, exact = settings.threshold, settings.exact

    alpha, base_color = bake_alpha(mpi, sizes.alpha), bake_base_color(mpi, sizes.base_color)
    features = bake_features(mpi, sizes.features)
    if not all(bool(values.isfinite().all()) for values in (alpha, base_color, features)):
        raise UserError(
            "the model: expected finite opacities, colours and features, found others. Training diverged: "
            "train again with lower learning rates."
        )
    base_color = round_colors(base_color, weights.base_color, settings.tolerance)
    on_tiles = (weights.alpha, pool_weights(weights.base_color, base_grid), weights.features)
    slots = [assign_slots(of, threshold) for of in on_tiles]
    ranges = value_ranges(features, cover(slots[2] != ABSENT, feature_grid))
    return {
        "alpha": write_texture(folder, "alpha", alpha, _unit_ranges(alpha), slots[0], alpha_grid, exact),
        "base_color": write_texture(
            folder,
            "base_color",
            base_color,
            _unit_ranges(base_color),
            slots[1],
            base_grid,
            settings.base_color,
        ),
        "features": write_texture(folder, "features", features, ranges, slots[2], feature_grid, exact),
    }


def _unit_ranges(values: Float[Tensor, "texture channel _ _"]) -> Float[Tensor, "texture channel 2"]:
    """[0, 1] for all: opacities and colours, whose ends are exact so."""
    return torch.tensor([0.0, 1.0], device=values.device).expand(*values.shape[:2], 2)


def _sizes(mpi: MPI, settings: BakeSettings) -> TextureSizes:
    natural = natural_sizes(mpi.field, mpi.geometry)
    wanted = (settings.alpha_pixels, settings.feature_pixels)
    alpha, features = (
        kept if pixels is None else coarser(mpi.geometry, pixels)
        for pixels, kept in zip(wanted, (natural.alpha, natural.features), strict=True)
    )
    return TextureSizes(alpha, natural.base_color, features)


def _grid(mpi: MPI, textures: int, size: tuple[int, int]) -> TileGrid:
    """Tiles of about `_TILE_PIXELS`, so that sparse planes leave little around what is seen of them."""
    texels = _TILE_PIXELS * size[1] / mpi.geometry.canvas_width
    tile = next((tile for tile in _TILE_SIZES if tile >= texels), _TILE_SIZES[-1])
    return TileGrid(textures, *size, tile)


def _write_basis(mpi: MPI, folder: Path) -> dict[str, Any]:
    """Write the table of the basis functions."""
    query = table_query(mpi.basis.query)
    table, error = fit_table(mpi.basis, query, mpi.depths.device)
    path = folder / "basis.bin"
    path.write_bytes(table.movedim(0, -1).cpu().numpy().astype("<f2").tobytes())
    shape, count = list(table.shape[1:]), len(table)
    return {"query": query.name, "shape": shape, "num_basis": count, "error": error, **describe_file(path)}


def decoded_bytes(manifest: dict[str, Any]) -> int:
    """Memory of textures on a graphics card, where three channels take four bytes, and of the tables."""
    total: int = manifest["basis"]["bytes"]
    for texture in manifest["textures"].values():
        texel = 1 if texture["channels"] == 1 else 4 * -(-texture["channels"] // 3)
        tiles: int = texture["pages"] * texture["rows_per_page"] * texture["tiles_per_row"]
        total += tiles * texture["tile"] ** 2 * texel + texture["table"]["bytes"]
    return total
