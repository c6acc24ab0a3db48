"""Over-compositing of planes, front to back: pure functions; the formulas are the NeX paper's, section 3."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

# An opaque plane lets this share through, so that the gradient of its alpha stays finite.
LEAST_TRANSPARENCY = 1e-6


def transmittance(alpha: Float[Tensor, "*ray plane"]) -> Float[Tensor, "*ray plane"]:
    """Light that reaches each plane: the product of 1 - alpha over the planes before it.

    Summed as logarithms: the gradient of ``torch.cumprod`` waits for the device in every step.
    """
    passed = -optical_depth(alpha[..., :-1])
    return F.pad(passed.cumsum(dim=-1), (1, 0)).exp()


def optical_depth(alpha: Float[Tensor, "*ray plane"]) -> Float[Tensor, "*ray plane"]:
    """-ln(1 - alpha), finite for opaque planes."""
    return -torch.log1p(-alpha.clamp(max=1 - LEAST_TRANSPARENCY))


def composite_weights(alpha: Float[Tensor, "*ray plane"]) -> Float[Tensor, "*ray plane"]:
    """Weight of each plane in the pixel: alpha times transmittance. They sum to 1 - prod(1 - alpha)."""
    return alpha * transmittance(alpha)


def composite(
    weights: Float[Tensor, "*ray plane"], values: Float[Tensor, "*ray plane channel"]
) -> Float[Tensor, "*ray channel"]:
    """Weighted sum over the planes."""
    return (weights[..., None] * values).sum(dim=-2)


def expected_depth(
    weights: Float[Tensor, "*ray plane"], depths: Float[Tensor, "plane"]
) -> Float[Tensor, "*ray"]:
    """Return the mean depth of what the ray hit; the far plane's depth where it hit nothing.

    Args:
        weights: Of the planes.
        depths: In world units.
    """
    return mean_depth((weights * depths).sum(dim=-1), weights.sum(dim=-1), depths)


def mean_depth(
    total: Float[Tensor, "*ray"], acc: Float[Tensor, "*ray"], depths: Float[Tensor, "plane"]
) -> Float[Tensor, "*ray"]:
    """`expected_depth` of the sums of weighted depths and of weights."""
    return torch.where(acc > 1e-6, total / acc.clamp(min=1e-6), depths[-1])
