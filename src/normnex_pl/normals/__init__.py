"""Estimators of the target normals from which predicted normals learn: one per file.

A new estimator is one file with a final subclass of `NormalEstimator`, named here; configurations choose it
by its class path.
"""

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
