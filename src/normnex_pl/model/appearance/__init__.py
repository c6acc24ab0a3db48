"""Appearance: colour models, basis functions and their lookup, predicted normals, background."""

from normnex_pl.model.appearance.background import Background, ClearBackground, OpaqueLastPlane
from normnex_pl.model.appearance.basis import Basis, NeuralBasis
from normnex_pl.model.appearance.color import (
    AdditiveYCbCrColor,
    ColorModel,
    NonnegativeLuma,
    RGBColor,
    SignedLuma,
    YCbCrColor,
)
from normnex_pl.model.appearance.lookup import DirectionQuery, ReflectionQuery, ViewQuery
from normnex_pl.model.appearance.normals import FlatNormals, NoNormals, NormalModel, PredictedNormals

__all__ = [
    "AdditiveYCbCrColor",
    "Background",
    "Basis",
    "ClearBackground",
    "ColorModel",
    "DirectionQuery",
    "FlatNormals",
    "NeuralBasis",
    "NoNormals",
    "NonnegativeLuma",
    "NormalModel",
    "OpaqueLastPlane",
    "PredictedNormals",
    "RGBColor",
    "ReflectionQuery",
    "SignedLuma",
    "ViewQuery",
    "YCbCrColor",
]
