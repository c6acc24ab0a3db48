"""Tiny multiplane images of all variants, and their baked form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from normnex_pl.core.types import Camera
from normnex_pl.export.baked.codes import LEVELS
from normnex_pl.export.baked.image import BakedMPI
from normnex_pl.export.baked.pipeline import BakeSettings, bake
from normnex_pl.geometry.layout import PlaneLayout
from normnex_pl.model.appearance import (
    AdditiveYCbCrColor,
    Background,
    ClearBackground,
    ColorModel,
    FlatNormals,
    NeuralBasis,
    NonnegativeLuma,
    NoNormals,
    NormalModel,
    OpaqueLastPlane,
    PredictedNormals,
    ReflectionQuery,
    RGBColor,
    SignedLuma,
    ViewQuery,
    YCbCrColor,
)
from normnex_pl.model.mpi import MPI
from support.small import FIELDS, LAYOUT, excite, moved, reference_camera

# Texels as fine as pixels: the reference camera then reads all textures at the centres of texels.
FINE = BakeSettings(threshold=0.0, alpha_pixels=1.0, tolerance=0.0)


@dataclass(frozen=True)
class Model:
    """Parts of a model, and the colour model whose values change most by a change of features."""

    color: ColorModel
    steepest: ColorModel
    normals: NormalModel
    background: Background = OpaqueLastPlane()  # noqa: RUF009 (it has no state)


MODELS = {
    "rgb": Model(RGBColor(), RGBColor(), NoNormals(), ClearBackground()),
    "rgb_by_reflection": Model(RGBColor(), RGBColor(), PredictedNormals()),
    "ycbcr": Model(YCbCrColor(SignedLuma()), YCbCrColor(SignedLuma()), NoNormals()),
    "normnex": Model(YCbCrColor(NonnegativeLuma()), YCbCrColor(SignedLuma()), PredictedNormals()),
    "flat": Model(YCbCrColor(NonnegativeLuma()), YCbCrColor(SignedLuma()), FlatNormals()),
    "additive": Model(AdditiveYCbCrColor(SignedLuma()), AdditiveYCbCrColor(SignedLuma()), NoNormals()),
}


def make(name: str, kind: str = "grid", num_basis: int = 3, layout: PlaneLayout = LAYOUT) -> MPI:
    """Return a multiplane image that varies in opacity and colour, with visible specular highlights."""
    torch.manual_seed(0)
    parts = MODELS[name]
    query = ReflectionQuery() if parts.normals.num_features else ViewQuery()
    basis = NeuralBasis(query, num_basis=num_basis)
    mpi = MPI(layout, FIELDS[kind], parts.color, basis, parts.normals, parts.background)
    excite(mpi.field)
    with torch.no_grad():
        for parameter in (mpi.field.features,) if kind == "grid" else mpi.field.feature_head.parameters():
            parameter *= 0.3
    return mpi.requires_grad_(False)


def around(camera: Camera) -> list[Camera]:
    """Return the views from which a scene is captured."""
    return [moved(camera, x, y, z) for x, y, z in [(0, 0, 0), (0.2, 0, 0.05), (-0.2, 0.1, 0), (0, -0.2, 0)]]


def largest_error(ranges: Tensor) -> Tensor:
    """Return how much rounding changes a value at most: half a level of its range."""
    return (ranges[..., 1] - ranges[..., 0]) / (2 * LEVELS)


def baked(mpi: MPI, folder: Path, settings: BakeSettings = FINE) -> BakedMPI:
    bake(mpi, around(reference_camera()), folder / "mpi", settings, {})
    return BakedMPI.read(folder / "mpi")
