"""Gaussian splats in memory, in the conventions of 3D Gaussian splatting (Kerbl et al. 2023).

A splat seen along the unit direction v shows max(0, 0.5 + sum_k sh_k Y_k(v)) with the harmonics of
`harmonics`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Splats:
    """Splats whose axes are those of the world: all of them face the reference camera.

    Attributes:
        means: World units.
        scales: Standard deviations along x, y and z, world units.
        opacity: At the centre, in (0, 1).
        sh: Coefficients of spherical harmonics up to degree 2, of red, green and blue.
    """

    means: Float[Tensor, "splat 3"]
    scales: Float[Tensor, "splat 3"]
    opacity: Float[Tensor, "splat"]
    sh: Float[Tensor, "splat 9 3"]

    def __len__(self) -> int:
        return len(self.means)

    def select(self, which: Tensor) -> Splats:
        """Return some splats, by their indices or by a mask."""
        return Splats(self.means[which], self.scales[which], self.opacity[which], self.sh[which])

    def to(self, device: torch.device) -> Splats:
        """Copy the splats to a device."""
        return Splats(*(part.to(device) for part in (self.means, self.scales, self.opacity, self.sh)))

    @classmethod
    def join(cls, parts: list[Splats]) -> Splats:
        """Concatenate splats; at least one part."""
        return cls(
            torch.cat([part.means for part in parts]),
            torch.cat([part.scales for part in parts]),
            torch.cat([part.opacity for part in parts]),
            torch.cat([part.sh for part in parts]),
        )
