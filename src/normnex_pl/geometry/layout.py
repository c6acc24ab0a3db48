"""The planes of an MPI as a whole: their depths, and the layers that they form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from normnex_pl.core.types import MPIGeometry
from normnex_pl.geometry.depth_curves import DepthCurve, depth_curve
from normnex_pl.geometry.planes import layer_depths, plane_depths


@dataclass(frozen=True)
class PlaneLayout:
    """The planes of an MPI, front to back: plane p belongs to layer p // sublayers.

    Depths are those of the reference frame, in world units. Between planes they are addressed by a real
    index; the planes themselves have the integers from 0 to num_planes - 1.

    Attributes:
        geometry: Reference camera, canvas and depth range.
        num_layers: Groups of neighbouring planes that share textures.
        sublayers: Planes per layer.
    """

    geometry: MPIGeometry
    num_layers: int
    sublayers: int

    @property
    def num_planes(self) -> int:
        """Number of planes."""
        return self.num_layers * self.sublayers

    @property
    def depths(self) -> Float[Tensor, "plane"]:
        """Depths of the planes; see `plane_depths`."""
        return plane_depths(self.geometry, self.num_planes)

    @property
    def layer_depths(self) -> Float[Tensor, "layer"]:
        """Depths of the layers; see the function `layer_depths`."""
        return layer_depths(self.depths, self.num_layers)

    @property
    def spacing(self) -> Float[Tensor, "plane"]:
        """Derivatives of the depth by the plane index at the planes; see `spacing_at`."""
        return self.spacing_at(torch.arange(self.num_planes, dtype=torch.float64)).float()

    def depth_at(self, index: Float[Tensor, "*sample"]) -> Float[Tensor, "*sample"]:
        """Return the depths at real plane indices."""
        return self._curve.at(index / self._gaps)

    def spacing_at(self, index: Float[Tensor, "*sample"]) -> Float[Tensor, "*sample"]:
        """Return the derivatives of the depth by the plane index, at real indices.

        It is about the distance to the next plane. With a single plane it is the slope at the beginning of
        the curve: the depth range, if the spacing is uniform in depth.
        """
        return self._curve.slope(index / self._gaps) / self._gaps

    @property
    def _curve(self) -> DepthCurve:
        geometry = self.geometry
        return depth_curve(geometry.near, geometry.far, geometry.spacing)

    @property
    def _gaps(self) -> int:
        return max(1, self.num_planes - 1)
