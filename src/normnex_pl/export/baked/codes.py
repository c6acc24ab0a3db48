"""Values as codes of 8 bits, by a range of each texture and channel."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

LEVELS = 255
_LEAST_WIDTH = 1e-6  # of the range of a constant channel: nothing divides by zero


def value_ranges(
    values: Float[Tensor, "texture channel height width"], used: Bool[Tensor, "texture height width"]
) -> Float[Tensor, "texture channel 2"]:
    """Return the smallest and the largest value of each channel of each texture.

    Args:
        values: Of the textures.
        used: Texels that count; without any, a texture's range is [0, 1].
    """
    inside = used[:, None]
    low = values.masked_fill(~inside, torch.inf).amin(dim=(2, 3))
    high = values.masked_fill(~inside, -torch.inf).amax(dim=(2, 3))
    empty = ~used.flatten(1).any(dim=1)[:, None]
    low, high = low.masked_fill(empty, 0.0), high.masked_fill(empty, 1.0)
    return torch.stack([low, torch.maximum(high, low + _LEAST_WIDTH)], dim=-1)


def quantize(
    values: Float[Tensor, "texture channel height width"], ranges: Float[Tensor, "texture channel 2"]
) -> UInt8[Tensor, "texture channel height width"]:
    """Round to the nearest of 256 levels between the ends of the range, after clamping to it."""
    low, high = ranges[..., None, None].unbind(dim=2)
    return ((values - low) / (high - low) * LEVELS).round().clamp(0, LEVELS).to(torch.uint8)


def dequantize(
    codes: Float[Tensor, "*sample channel"], ranges: Float[Tensor, "*#sample channel 2"]
) -> Float[Tensor, "*sample channel"]:
    """Decode codes in [0, 255]; linear, so that it commutes with bilinear interpolation."""
    low, high = ranges.unbind(dim=-1)
    return low + codes * ((high - low) / LEVELS)
