"""Bake a multiplane image: evaluate a model, drop what no view sees, store the rest in 8 bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import Camera
from normnex_pl.export.baked.manifest import Manifest
from normnex_pl.export.baked.presenting import Presentation
from normnex_pl.export.baked.steps.describe import describe
from normnex_pl.export.baked.steps.evaluate import evaluate, plan_textures
from normnex_pl.export.baked.steps.quantize import quantize_textures
from normnex_pl.export.baked.steps.visibility import visible_weights
from normnex_pl.export.baked.steps.write import Encoding, write_image
from normnex_pl.model.mpi import MPI


@dataclass(frozen=True)
class BakeSettings:
    """Resolution, thresholds and compression of a bake.

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
        """Compression of base colours."""
        return Encoding(self.format, self.quality)

    @property
    def exact(self) -> Encoding:
        """Compression of opacities and features, whose channels aren't colours."""
        return Encoding(self.format)


@torch.no_grad()
def bake(
    mpi: MPI,
    cameras: Sequence[Camera],
    folder: Path,
    settings: BakeSettings,
    provenance: Mapping[str, str | int | None],
    presentation: Presentation | None = None,
) -> Manifest:
    """Bake a model into a folder, whole or not at all.

    Args:
        mpi: The model.
        cameras: The training views', on the model's device: what they can't see isn't stored.
        folder: Target; an older image is replaced.
        settings: Resolution, thresholds and compression.
        provenance: Where the model comes from, for the manifest.
        presentation: What the image says of itself.

    Returns:
        The manifest.

    Raises:
        UserError: A part of the model can't be baked, its values aren't finite, or it is too large.
    """
    grids = plan_textures(mpi, settings.alpha_pixels, settings.feature_pixels)
    evaluated = evaluate(mpi, grids)
    weights = visible_weights(mpi, cameras, grids)
    stored = quantize_textures(evaluated.textures, weights, grids, settings.threshold, settings.tolerance)
    description = describe(mpi, cameras, provenance)
    encodings = settings.base_color, settings.exact
    return write_image(folder, description, stored, evaluated.basis, *encodings, presentation)
