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

from normnex_pl.export.splats.rasterisers import Rasteriser

_TERMS = 4000  # of the series; at o = 1 its rest is 1 / 4000
_SAMPLES = 2048
_HALVINGS = 16


def dilogarithm(values: Float[Tensor, "*sample"]) -> Float[Tensor, "*sample"]:
    """Return Li2, by a table with steps that get finer towards 1."""
    inputs, outputs = (part.to(values) for part in _table())
    return _interpolated(values, inputs, outputs)


def splat_variances(
    alpha: Float[Tensor, "*splat"],
    pitch: float,
    sizes: tuple[float, float],
    most: float,
    rasteriser: Rasteriser,
) -> Float[Tensor, "*splat"]:
    """Return the smallest variances of splats that can be opaque enough.

    Args:
        alpha: Opacities of the plane, in [0, 1].
        pitch: Between splats, in pixels.
        sizes: Least and largest standard deviation, as shares of the pitch.
        most: Largest opacity of a splat.
        rasteriser: Draws them.

    Returns:
        Before the rasteriser's blur, in square pixels.
    """
    depth = _optical_depth(alpha)
    low, high = (torch.full_like(alpha, (size * pitch) ** 2) for size in sizes)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        enough = _cover(middle, pitch, rasteriser) * dilogarithm(most * rasteriser.dimming(middle)) >= depth
        low, high = torch.where(enough, low, middle), torch.where(enough, middle, high)
    least = torch.full_like(alpha, (sizes[0] * pitch) ** 2)
    suffices = _cover(least, pitch, rasteriser) * dilogarithm(most * rasteriser.dimming(least)) >= depth
    return torch.where(suffices, least, high)


def splat_opacities(
    alpha: Float[Tensor, "*splat"],
    variance: Float[Tensor, "*splat"],
    pitch: float,
    most: float,
    rasteriser: Rasteriser,
) -> Float[Tensor, "*splat"]:
    """Return the opacities of splats that together are as opaque as a plane, or as they can be.

    Args:
        alpha: Opacities of the plane, in [0, 1].
        variance: Of the splats, before the rasteriser's blur, in square pixels.
        pitch: Between splats, in pixels.
        most: Largest opacity of a splat.
        rasteriser: Draws them.
    """
    inputs, outputs = (part.to(alpha) for part in _table())
    seen = _interpolated(_optical_depth(alpha) / _cover(variance, pitch, rasteriser), outputs, inputs)
    return (seen / rasteriser.dimming(variance)).clamp(max=most)


def _cover(
    variance: Float[Tensor, "*splat"], pitch: float, rasteriser: Rasteriser
) -> Float[Tensor, "*splat"]:
    """Return 2 pi s^2 of blurred splats."""
    return 2 * math.pi * (variance + rasteriser.blur) / pitch**2


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
