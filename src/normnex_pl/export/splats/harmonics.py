"""Real spherical harmonics up to degree 2, with the signs and the order of 3D Gaussian splatting.

Y_0 = 1/2 sqrt(1/pi); degree 1: -y, z, -x times sqrt(3/(4 pi)); degree 2: xy, -yz, 2zz - xx - yy, -xz, xx - yy
times sqrt(15/(4 pi)), sqrt(15/(4 pi)), sqrt(5/(16 pi)), sqrt(15/(4 pi)), sqrt(15/(16 pi)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

Y0 = math.sqrt(1 / math.pi) / 2
NUM_HARMONICS = 9
_Y1 = math.sqrt(3 / (4 * math.pi))
_Y2 = math.sqrt(15 / (4 * math.pi))
# Signs of the harmonics after a reflection of y and z: between x right, y down, z forward and x right, y up,
# z back.
FLIPPED = (1, -1, -1, 1, -1, 1, 1, -1, 1)


def harmonics(directions: Float[Tensor, "*sample 3"]) -> Float[Tensor, "*sample 9"]:
    """Evaluate the functions.

    Args:
        directions: Unit vectors from the camera to the splat.
    """
    x, y, z = directions.unbind(dim=-1)
    values = [
        torch.full_like(x, Y0),
        *(-_Y1 * y, _Y1 * z, -_Y1 * x),
        *(_Y2 * x * y, -_Y2 * y * z, _Y2 / math.sqrt(12) * (2 * z * z - x * x - y * y)),
        *(-_Y2 * x * z, _Y2 / 2 * (x * x - y * y)),
    ]
    return torch.stack(values, dim=-1)


def shown_colors(
    sh: Float[Tensor, "splat 9 3"], directions: Float[Tensor, "splat 3"]
) -> Float[Tensor, "splat 3"]:
    """Return the colours of splats seen along unit directions."""
    return (0.5 + (sh * harmonics(directions)[..., None]).sum(dim=1)).clamp(min=0)


@dataclass(frozen=True)
class HarmonicFit:
    """A fit of colours by spherical harmonics.

    A capture sees a surface within a narrow cone, where the functions are nearly dependent. The mean is
    fitted exactly, the rest by ridge regression, so that coefficients don't grow without need.

    Attributes:
        ridge: Weight of a squared coefficient beside the mean squared error.
        limit: Largest coefficient of degrees 1 and 2 that a file holds.
        steps: Steps of coefficients of degree 1 and of degree 2 that a file holds; 0 for any. The constant
            takes up what rounding changes in the mean.
    """

    ridge: float = 1e-4
    limit: float = 16.0
    steps: tuple[float, float] = (0.0, 0.0)

    def __call__(
        self, directions: Float[Tensor, "splat view 3"], colors: Float[Tensor, "splat view 3"]
    ) -> Float[Tensor, "splat 9 3"]:
        """Fit colours.

        Args:
            directions: Unit vectors from the cameras to the splats.
            colors: In [0, 1].
        """
        functions = harmonics(directions)[..., 1:]
        means = functions.mean(dim=1)
        centred, colors_mean = functions - means[:, None], colors.mean(dim=1)
        views = directions.shape[1]
        normal = centred.mT @ centred / views
        normal += self.ridge * torch.eye(NUM_HARMONICS - 1, device=normal.device, dtype=normal.dtype)
        rest = torch.linalg.solve(normal, centred.mT @ (colors - colors_mean[:, None]) / views)
        rest = self._storable(rest)
        constant = (colors_mean - 0.5 - (means[..., None] * rest).sum(dim=1)) / Y0
        return torch.cat([constant[:, None], rest], dim=1)

    def _storable(self, rest: Float[Tensor, "splat 8 3"]) -> Float[Tensor, "splat 8 3"]:
        """Round coefficients to what a file holds."""
        parts = []
        for part, step in zip(rest.split([3, 5], dim=1), self.steps, strict=True):
            rounded = (part / step).round() * step if step else part
            parts.append(rounded.clamp(-self.limit, self.limit))
        return torch.cat(parts, dim=1)
