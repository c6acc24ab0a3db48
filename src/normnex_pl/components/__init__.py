"""Parts of the appearance model: colour, basis functions and what they are looked up by, normals."""

from normnex_pl.components.background import Background, ClearBackground, OpaqueLastPlane
from normnex_pl.components.basis import Basis, NeuralBasis
from normnex_pl.components.color import (
    AdditiveYCbCrColor,
    ColorModel,
    NonnegativeLuma,
    RGBColor,
    SignedLuma,
    YCbCrColor,
)
from normnex_pl.components.normals import (
    FlatNormals,
    NoNormals,
    NormalEstimator,
    NormalModel,
    PredictedNormals,
)
from normnex_pl.components.query import DirectionQuery, ReflectionQuery, ViewQuery

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
    "NormalEstimator",
    "NormalModel",
    "OpaqueLastPlane",
    "PredictedNormals",
    "RGBColor",
    "ReflectionQuery",
    "SignedLuma",
    "ViewQuery",
    "YCbCrColor",
]
