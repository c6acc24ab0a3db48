"""Clamping with a gradient that lets values return into their range."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


def clamp(
    x: Float[Tensor, "*shape"], minimum: float = -torch.inf, maximum: float = torch.inf
) -> Float[Tensor, "*shape"]:
    """Clamp values; gradients pass unless they would push a value further out of the range.

    The gradient of ``torch.clamp`` is zero outside the range, so that a colour which has left it could never
    return, nor a specular highlight leave its start at zero.
    """
    clamped: Tensor = _Clamp.apply(x, minimum, maximum)
    return clamped


class _Clamp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, minimum: float, maximum: float) -> Tensor:
        ctx.save_for_backward(x < minimum, x > maximum)
        return x.clamp(minimum, maximum)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        below, above = ctx.saved_tensors
        # Descent moves against the gradient.
        outward = (below & (gradient > 0)) | (above & (gradient < 0))
        return gradient.masked_fill(outward, 0), None, None
