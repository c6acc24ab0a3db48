"""From the opacity of a plane to the splats that cover it.

Splats of opacity o and standard deviation s h, one in each cell of a grid of pitch h, absorb on average the
optical depth -sum log(1 - o g) = 2 pi s^2 Li2(o), with the dilogarithm Li2(o) = sum_k o^k / k^2: the integral
of -log(1 - o exp(-r^2 / 2 s^2)) over the plane. A plane of opacity A has -log(1 - A). Where a splat of the
usual size can't be opaque enough, it is made larger.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

_TERMS = 4000  # of the series; at o = 1 its rest is 1 / 4000
_SAMPLES = 2048


def dilogarithm(values: Float[Tensor, "*sample"]) -> Float[Tensor, "*sample"]:
    """Return Li2, by a table with steps that get finer towards 1."""
    inputs, outputs = (part.to(values) for part in _table())
    return _interpolated(values, inputs, outputs)


def splat_sizes(
    alpha: Float[Tensor, "*sample"], size: float, largest: float, most: float
) -> Float[Tensor, "*sample"]:
    """Return the standard deviations of splats, as shares of the pitch.

    Args:
        alpha: Opacities of the plane, in [0, 1].
        size: The usual one.
        largest: That of splats that couldn't be opaque enough otherwise.
        most: Largest opacity of a splat.
    """
    full = float(dilogarithm(torch.tensor([most]))[0])
    return (_optical_depth(alpha) / (2 * math.pi * full)).sqrt().clamp(size, largest)


def splat_opacity(
    alpha: Float[Tensor, "*sample"], sizes: Float[Tensor, "*sample"], most: float
) -> Float[Tensor, "*sample"]:
    """Return the opacities of splats that together are as opaque as a plane, or as they can be.

    Args:
        alpha: Opacities of the plane, in [0, 1].
        sizes: Standard deviations, as shares of the pitch.
        most: Largest opacity of a splat.
    """
    inputs, outputs = (part.to(alpha) for part in _table())
    return _interpolated(_optical_depth(alpha) / (2 * math.pi * sizes**2), outputs, inputs).clamp(max=most)


def _optical_depth(alpha: Float[Tensor, "*sample"]) -> Float[Tensor, "*sample"]:
    return -torch.log1p(-alpha.clamp(max=1 - 1e-4))


@cache
def _table() -> tuple[Tensor, Tensor]:
    """Return increasing inputs in [0, 1] and their dilogarithms, in double precision."""
    inputs = 1 - torch.linspace(1, 0, _SAMPLES, dtype=torch.float64) ** 2
    k = torch.arange(1, _TERMS + 1, dtype=torch.float64)
    outputs = torch.stack([(value**k / k**2).sum() for value in inputs])
    return inputs, outputs


def _interpolated(
    values: Float[Tensor, "*sample"], x: Float[Tensor, "point"], y: Float[Tensor, "point"]
) -> Float[Tensor, "*sample"]:
    """Interpolate linearly; beyond the ends their values hold."""
    right = torch.searchsorted(x, values.contiguous()).clamp(1, len(x) - 1)
    share = ((values - x[right - 1]) / (x[right] - x[right - 1])).clamp(0, 1)
    return torch.lerp(y[right - 1], y[right], share)
