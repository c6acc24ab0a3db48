"""Surface normals: what a model predicts, and estimators of what it should predict. One estimator a file."""

from normnex_pl.components.normals.base import FlatNormals, NoNormals, NormalModel, PredictedNormals
from normnex_pl.components.normals.density import DensityDifference
from normnex_pl.components.normals.estimator import NormalEstimator
from normnex_pl.components.normals.gradient import DensityGradient, LossGradient
from normnex_pl.components.normals.image import FilteredDepth, RenderedDepth
from normnex_pl.components.normals.transmittance import TransmittanceGradient

__all__ = [
    "DensityDifference",
    "DensityGradient",
    "FilteredDepth",
    "FlatNormals",
    "LossGradient",
    "NoNormals",
    "NormalEstimator",
    "NormalModel",
    "PredictedNormals",
    "RenderedDepth",
    "TransmittanceGradient",
]
