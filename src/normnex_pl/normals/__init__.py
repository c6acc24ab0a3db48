"""Estimators of the normals that a model's predicted normals learn from: one a file."""

from normnex_pl.normals.base import NormalEstimator
from normnex_pl.normals.density import DensityDifference
from normnex_pl.normals.depth import FilteredDepth, RenderedDepth
from normnex_pl.normals.gradient import DensityGradient, LossGradient
from normnex_pl.normals.transmittance import TransmittanceGradient

__all__ = [
    "DensityDifference",
    "DensityGradient",
    "FilteredDepth",
    "LossGradient",
    "NormalEstimator",
    "RenderedDepth",
    "TransmittanceGradient",
]
