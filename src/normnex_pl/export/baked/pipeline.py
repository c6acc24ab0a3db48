"""Bake a multiplane image: evaluate a model, drop what no view sees, store the rest in 8 bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from normnex_pl.core.types import Camera
from normnex_pl.export.baked.manifest import Manifest
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
        threshold: Tiles that have a smaller weight in all pixels of all views are dropped.
        alpha_pixels: Pixels of the canvas along a texel of the opacities; None for the field's resolution.
        feature_pixels: Pixels of the canvas along a texel of the features; None likewise.
        tolerance: How far rounding the base colour of a texel may move a pixel, in 8-bit levels.
        base_color: Compression of base colours.
        exact: Compression of opacities and features, whose channels aren't colours.
    """

    threshold: float = 1 / 64
    alpha_pixels: float | None = None
    feature_pixels: float | None = None
    tolerance: float = 1.0
    base_color: Encoding = Encoding()  # noqa: RUF009 (frozen)
    exact: Encoding = Encoding()  # noqa: RUF009 (frozen)


@torch.no_grad()
def bake(
    mpi: MPI,
    cameras: Sequence[Camera],
    folder: Path,
    settings: BakeSettings,
    provenance: Mapping[str, str | int | None],
) -> Manifest:
    """Bake a model into a folder, whole or not at all.

    Args:
        mpi: The model.
        cameras: The training views', on the model's device: what they can't see isn't stored.
        folder: Target; an older image is replaced.
        settings: Resolution, thresholds and compression.
        provenance: Where the model comes from, for the manifest.

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
    return write_image(folder, description, stored, evaluated.basis, settings.base_color, settings.exact)
