"""Frozen dataclasses on the way from rays to pixels: samples, stored values, composited rays.

The axes of shapes, and frames and units, are those of `normnex_pl.core.types`.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class PlaneSamples:
    """Intersections of rays with planes and layers, in canvas coordinates (-1 and 1 at the canvas borders).

    Attributes:
        planes: On each plane, front to back.
        layers: At the depth of each layer, where textures are read that its planes share.
    """

    planes: Float[Tensor, "ray plane 2"]
    layers: Float[Tensor, "ray layer 2"]


@dataclass(frozen=True)
class FieldOutput:
    """Values that a field stores at plane samples.

    Attributes:
        alpha: Opacity of the planes; zero outside the canvas.
        base_color: k0, sRGB in [0, 1].
        features: Raw channels of the layers, for the models of colour (coefficients k_n, tint, chroma) and
            normals.
    """

    alpha: Float[Tensor, "ray plane"]
    base_color: Float[Tensor, "ray plane 3"]
    features: Float[Tensor, "ray layer feature"]


@dataclass(frozen=True)
class RenderOutput:
    """Composited rays.

    Attributes:
        rgb: sRGB; black where no plane covers the ray.
        acc: Accumulated opacity in [0, 1].
        depth: Expected depth of the covered part, along the reference camera's axis, in world units.
        disparity: Expected inverse depth, where the uncovered part counts as zero.
        diffuse: The base colour alone, composited with the same weights.
        weights: alpha times transmittance.
        alpha: Opacity of the planes; zero outside the canvas and behind the ray's origin.
        specular: Specular part that the colour model adds to the base colour on each layer, before clamping.
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
