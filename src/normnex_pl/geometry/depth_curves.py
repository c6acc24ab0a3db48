"""The depth of the planes as a curve over the share of the plane index: 0 at the first plane, 1 at the last.

A geometry holds plain values; `depth_curve` makes the curve of them. A model with any number of planes takes
their depths from it at equal shares.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes
from typing_extensions import override

from normnex_pl.core.types import PlaneSpacing


class DepthCurve(ABC):
    """A strictly increasing, differentiable depth."""

    @abstractmethod
    def at(self, share: Float[Tensor, "*sample"]) -> Float[Tensor, "*sample"]:
        """Return the depths at shares of the plane index; slightly outside of [0, 1] they go on smoothly."""

    @abstractmethod
    def slope(self, share: Float[Tensor, "*sample"]) -> Float[Tensor, "*sample"]:
        """Return the derivative of the depth by the share, which is positive."""


@final
@dataclass(frozen=True)
class UniformInDepth(DepthCurve):
    """Planes with the same distance between neighbours everywhere.

    Attributes:
        near: Depth of the first plane.
        far: Depth of the last plane.
    """

    near: float
    far: float

    @override
    def at(self, share: Float[Tensor, "*sample"]) -> Float[Tensor, "*sample"]:
        return (1 - share) * self.near + share * self.far

    @override
    def slope(self, share: Float[Tensor, "*sample"]) -> Float[Tensor, "*sample"]:
        return torch.full_like(share, self.far - self.near)


@final
@dataclass(frozen=True)
class UniformInDisparity(DepthCurve):
    """Planes with the same parallax between neighbours everywhere.

    Attributes:
        near: Depth of the first plane.
        far: Depth of the last plane.
    """

    near: float
    far: float

    @override
    def at(self, share: Float[Tensor, "*sample"]) -> Float[Tensor, "*sample"]:
        return 1 / ((1 - share) / self.near + share / self.far)

    @override
    def slope(self, share: Float[Tensor, "*sample"]) -> Float[Tensor, "*sample"]:
        return self.at(share).square() * (1 / self.near - 1 / self.far)


@final
@dataclass(frozen=True)
class ThroughDepths(DepthCurve):
    """A monotone curve through listed depths, which stand at equal shares.

    Disparity is a cubic between neighbours, whose slopes at the listed depths are the harmonic means of the
    steps on both sides, and at the ends those of the only step (Fritsch and Butland, SIAM J. Sci. Stat.
    Comput. 1984). It is monotone, and continuous together with its derivative, by which densities are
    divided: normals would show a jump. As many planes as there are depths stand at these.

    Attributes:
        depths: At least two, strictly increasing.
    """

    depths: tuple[float, ...]

    @override
    def at(self, share: Float[Tensor, "*sample"]) -> Float[Tensor, "*sample"]:
        disparity, _ = self._disparity(share)
        return 1 / disparity

    @override
    def slope(self, share: Float[Tensor, "*sample"]) -> Float[Tensor, "*sample"]:
        disparity, derivative = self._disparity(share)
        return -derivative / disparity.square()

    def _disparity(
        self, share: Float[Tensor, "*sample"]
    ) -> tuple[Float[Tensor, "*sample"], Float[Tensor, "*sample"]]:
        """Return the inverse depth at shares, and its derivative by the share."""
        value, slope = _knots(self.depths, share.device, share.dtype)
        gaps = len(value) - 1
        first = (share.detach() * gaps).floor().long().clamp(0, gaps - 1)
        # Beyond the ends along the tangent there.
        place = share * gaps - first
        t = place.clamp(0, 1)
        begin, step, before, after = (
            value[first],
            value[first + 1] - value[first],
            slope[first],
            slope[first + 1],
        )
        square, cubic = 3 * step - 2 * before - after, before + after - 2 * step
        inside = begin + t * (before + t * (square + t * cubic))
        derivative = before + t * (2 * square + t * 3 * cubic)
        return inside + (place - t) * derivative.detach(), gaps * derivative


def depth_curve(near: float, far: float, spacing: PlaneSpacing) -> DepthCurve:
    """Return the curve that a geometry's values stand for; see `MPIGeometry`."""
    if spacing == "depth":
        return UniformInDepth(near, far)
    if spacing == "disparity":
        return UniformInDisparity(near, far)
    return ThroughDepths(spacing)


@lru_cache(maxsize=64)
def _knots(
    depths: tuple[float, ...], device: torch.device, dtype: torch.dtype
) -> tuple[Float[Tensor, "knot"], Float[Tensor, "knot"]]:
    """Return the disparities of a curve's knots, and its slopes there per step from knot to knot.

    Kept, since copying them to a device would stall it, and isn't possible while a graph is recorded. They
    outlive the mode in which they are first asked for: in one that computes nothing, as in estimates of
    memory, tensors without data would be kept.
    """
    with torch.inference_mode(mode=False), _disable_current_modes():
        value = 1 / torch.tensor(depths, dtype=torch.float64)
        step = value.diff()
        before, after = torch.cat([step[:1], step]), torch.cat([step, step[-1:]])
        slope = 2 * before * after / (before + after)
        return value.to(device, dtype), slope.to(device, dtype)
