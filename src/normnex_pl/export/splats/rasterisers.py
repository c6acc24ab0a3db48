"""What rasterisers do to small splats: each blurs them a little, so that none falls between pixels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from typing_extensions import override


class Rasteriser(ABC):
    """A kind of rasteriser, for which splats are made.

    Attributes:
        name: On the command line, and in gsplat.
        blur: Variance that is added to each splat, in square pixels.
        sizes: Standard deviations of splats before the blur that look best, as shares of the pitch: the usual
            one, and that of the most opaque splats.
        antialiased: What files whose header has such an entry say of splats that are made for it.
    """

    name: str
    antialiased: bool
    blur: float
    sizes: tuple[float, float]

    @abstractmethod
    def dimming(self, variance: Float[Tensor, "*splat"]) -> Float[Tensor, "*splat"]:
        """Return the factor of the opacities of splats.

        Args:
            variance: Before the blur, in square pixels.
        """


@dataclass(frozen=True)
class ClassicRasteriser(Rasteriser):
    """Blur alone: Kerbl et al. 2023, and viewers after it."""

    name = "classic"
    antialiased = False

    blur: float = 0.3
    sizes: tuple[float, float] = (0.25, 0.45)

    @override
    def dimming(self, variance: Float[Tensor, "*splat"]) -> Float[Tensor, "*splat"]:
        return variance.new_ones(variance.shape)


@dataclass(frozen=True)
class AntialiasedRasteriser(Rasteriser):
    """Blur, and dim what it spreads: Yu et al., Mip-splatting, 2024, and Spark."""

    name = "antialiased"
    antialiased = True

    blur: float = 0.3
    sizes: tuple[float, float] = (0.4, 0.7)

    @override
    def dimming(self, variance: Float[Tensor, "*splat"]) -> Float[Tensor, "*splat"]:
        return variance / (variance + self.blur)


RASTERISERS: Mapping[str, Rasteriser] = {
    one.name: one for one in (ClassicRasteriser(), AntialiasedRasteriser())
}
