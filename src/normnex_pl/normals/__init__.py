"""Estimators of the target normals from which predicted normals learn: one per file.

A new estimator is one file with a final subclass of `NormalEstimator`, named here; configurations choose it
by its class path.
"""

from normnex_pl.normals.base import NormalEstimator
from normnex_pl.normals.density_difference import DensityDifference
from normnex_pl.normals.density_gradient import DensityGradient
from normnex_pl.normals.filtered_depth import FilteredDepth
from normnex_pl.normals.loss_gradient import LossGradient
from normnex_pl.normals.rendered_depth import RenderedDepth
from normnex_pl.normals.transmittance_gradient import TransmittanceGradient

__all__ = [
    "DensityDifference",
    "DensityGradient",
    "FilteredDepth",
    "LossGradient",
    "NormalEstimator",
    "RenderedDepth",
    "TransmittanceGradient",
]
