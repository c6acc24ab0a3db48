"""Volumes of different resolution that fill the same space, as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from normnex_pl.kernels import kernels_run_on, pyramid


def sum_levels(levels: Sequence[Float[Tensor, "_ _ _"]]) -> Float[Tensor, "depth height width"]:
    """Sum volumes, coarse to fine: each sum is read at the centres of the next one's cells and added to it.

    Args:
        levels: At least one, none with more cells along an axis than the next.

    Returns:
        A volume of the last one's shape.
    """
    total = levels[0]
    for level in levels[1:]:
        total = add_coarser(total, level)
    return total


def add_coarser(
    coarse: Float[Tensor, "_ _ _"], fine: Float[Tensor, "depth height width"]
) -> Float[Tensor, "depth height width"]:
    """Add a coarse volume, read trilinearly at the centres of the fine one's cells, to the fine one."""
    if kernels_run_on(fine):
        return pyramid.add_coarser(coarse, fine)
    read = F.interpolate(coarse[None, None], size=fine.shape, mode="trilinear", align_corners=False)
    return fine + read[0, 0]
