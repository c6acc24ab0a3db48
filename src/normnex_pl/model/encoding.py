"""Positional encoding."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def fourier_features(x: Float[Tensor, "*batch dim"], octaves: int) -> Float[Tensor, "*batch feature"]:
    """Encode coordinates by sines and cosines of 0.5 pi 2^k x, k = 0 .. octaves - 1 (NeX, section 3.3).

    Computed in the precision of ``x``, even under autocast: in half precision the highest octaves are noise.

    Returns:
        ``2 * octaves * dim`` features: all sines, then all cosines.
    """
    frequencies = 0.5 * math.pi * 2 ** torch.arange(octaves, device=x.device, dtype=x.dtype)
    angles = (x[..., None] * frequencies).flatten(-2)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def mask_octaves(
    features: Float[Tensor, "*batch feature"], octaves: int, kept: int
) -> Float[Tensor, "*batch feature"]:
    """Set the features of all but the lowest ``kept`` octaves of `fourier_features` to zero."""
    by_octave = features.unflatten(-1, (-1, octaves))
    mask = torch.arange(octaves, device=features.device) < kept
    return (by_octave * mask).flatten(-2)
