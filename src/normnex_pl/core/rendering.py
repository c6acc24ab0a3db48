"""Frozen dataclasses on the way from rays to pixels: samples, stored values, composited rays.

The axes of shapes, and frames and units, are those of `normnex_pl.core.types`.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.export import register_dataclass


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
class FieldTextures:
    """A field as textures: those of planes and layers that a renderer reads bilinearly.

    Attributes:
        alpha: Raw opacities of the planes: interpolate, subtract the offset, then take the sigmoid.
        base_color: Raw base colours of the layers: take the sigmoid, then interpolate.
        features: Raw channels of the layers.
    """

    alpha: Float[Tensor, "plane _ _"]
    base_color: Float[Tensor, "layer 3 _ _"]
    features: Float[Tensor, "layer feature _ _"]


@dataclass(frozen=True)
class PlaneOutput:
    """Opacities and weights of the planes that composited rays met.

    Attributes:
        weights: alpha times transmittance.
        alpha: Opacity of the planes; zero outside the canvas and behind the ray's origin.
    """

    weights: Float[Tensor, "*ray plane"]
    alpha: Float[Tensor, "*ray plane"]


@dataclass(frozen=True)
class RenderOutput:
    """Composited rays.

    Attributes:
        rgb: sRGB; black where no plane covers the ray.
        acc: Accumulated opacity in [0, 1].
        depth: Expected depth of the covered part, along the reference camera's axis, in world units.
        disparity: Expected inverse depth, where the uncovered part counts as zero.
        diffuse: The base colour alone, composited with the same weights.
        spread: Of the ray's weights over the planes, whose places m are their indices scaled to [0, 1]:
            sum_ij w_i w_j |m_i - m_j| + 1/3 sum_i w_i^2 delta (mip-NeRF 360, equation 15).
        layer_weights: Sums of the weights of each layer's planes.
        specular: Specular part that the colour model adds to the base colour on each layer, before clamping.
        features: Raw channels of the layers that the colour model read.
        normals: Predicted unit normals of the layers in the reference frame, if the model has them.
        planes: None where planes were composited without being stored, and ``depth`` and ``diffuse`` have no
            gradient; see `MPI.render_planes`.
    """

    rgb: Float[Tensor, "*ray 3"]
    acc: Float[Tensor, "*ray"]
    depth: Float[Tensor, "*ray"]
    disparity: Float[Tensor, "*ray"]
    diffuse: Float[Tensor, "*ray 3"]
    spread: Float[Tensor, "*ray"]
    layer_weights: Float[Tensor, "*ray layer"]
    specular: Float[Tensor, "*ray layer 3"]
    features: Float[Tensor, "*ray layer feature"]
    normals: Float[Tensor, "*ray layer 3"] | None
    planes: PlaneOutput | None

    @property
    def stored_planes(self) -> PlaneOutput:
        """The values of the planes, which `MPI.render_planes` and `MPI.shade` store."""
        assert self.planes is not None
        return self.planes


# As pytrees, the outputs of several batches can be joined.
register_dataclass(PlaneOutput)
register_dataclass(RenderOutput)
