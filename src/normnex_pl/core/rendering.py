"""Frozen dataclasses on the way from rays to pixels: samples, stored values, composited rays.

The axes of shapes, and frames and units, are those of `normnex_pl.core.types`.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class PlaneSamples:
    """Where rays meet the planes and the layers, in canvas coordinates ([-1, 1], borders of the canvas).

    Attributes:
        planes: On each plane, front to back.
        layers: On the middle plane of each layer; textures of a layer that need no more are read there.
    """

    planes: Float[Tensor, "ray plane 2"]
    layers: Float[Tensor, "ray layer 2"]


@dataclass(frozen=True)
class FieldOutput:
    """What a field stores at plane samples.

    Attributes:
        alpha: Opacity of the planes; zero outside the canvas.
        base_color: k0, sRGB in [0, 1].
        features: Raw channels of the layers, read by the colour model (coefficients k_n and the like).
    """

    alpha: Float[Tensor, "ray plane"]
    base_color: Float[Tensor, "ray plane 3"]
    features: Float[Tensor, "ray layer feature"]


@dataclass(frozen=True)
class RenderOutput:
    """Composited rays.

    Attributes:
        rgb: sRGB; what no plane covers is black.
        acc: Accumulated opacity in [0, 1].
        depth: Expected depth along the reference camera's axis in world units, of the covered part.
        disparity: Expected inverse depth, uncovered parts counting as zero.
        diffuse: The base colour alone, composited with the same weights.
        weights: alpha times transmittance.
        alpha: Opacity of the planes; zero outside the canvas and behind the ray's origin.
        specular: What the colour model adds to the base colour on each layer, before anything clamps.
        features: Raw channels of the layers that the colour model read.
        normals: Predicted unit normals of the layers in the reference frame, if the model has them.
    """

    rgb: Float[Tensor, "*ray 3"]
    acc: Float[Tensor, "*ray"]
    depth: Float[Tensor, "*ray"]
    disparity: Float[Tensor, "*ray"]
    diffuse: Float[Tensor, "*ray 3"]
    weights: Float[Tensor, "*ray plane"]
    alpha: Float[Tensor, "*ray plane"]
    specular: Float[Tensor, "*ray layer 3"]
    features: Float[Tensor, "*ray layer feature"]
    normals: Float[Tensor, "*ray layer 3"] | None
