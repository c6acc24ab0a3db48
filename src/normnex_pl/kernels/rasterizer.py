"""Planes of textures: read, shaded and composited in one pass over each ray, with gradients by a second one.

Nothing is stored for each plane. Backward, the planes are visited front to back again: what lies behind a
plane is the total of the ray minus what was met before. Rays end where hardly any light passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from normnex_pl.kernels import launch
from normnex_pl.kernels.language import triton
from normnex_pl.kernels.rasterizer_backward import composite_backward
from normnex_pl.kernels.rasterizer_forward import composite_forward

_BLOCK, _WARPS = 64, 2
# The row of the sums that holds the spread, after those of first degree in the weights; and all rows.
_SPREAD, _ROWS = 5, 11
# A block of rays ends where none of them lets more light than this through.
_LEAST_LIGHT = 1e-4


def composite_textures(
    alpha: Float[Tensor, "plane _ _"],
    base_color: Float[Tensor, "layer 3 _ _"],
    specular: Float[Tensor, "ray layer 3"],
    lines: Float[Tensor, "6 ray"],
    disparities: Float[Tensor, "plane"],
    offset: float,
    least_transparency: float,
    opaque_last: bool,
) -> tuple[Float[Tensor, "11 ray"], Float[Tensor, "layer ray"]]:
    """Read opacities and base colours where rays meet planes, add the specular parts, and composite.

    Args:
        alpha: Raw opacities of the planes, on a CUDA device; interpolated first, then minus the offset, then
            through a sigmoid.
        base_color: Raw base colours of the layers; through a sigmoid first, then interpolated.
        specular: Added to the base colours of a layer's planes; the sums are clamped to [0, 1].
        lines: See `normnex_pl.geometry.planes.canvas_lines`; no gradient reaches them.
        disparities: Inverse depths of the planes.
        offset: Subtracted from the raw opacities.
        least_transparency: Share of the light that even an opaque plane lets through.
        opaque_last: Whether the last plane is opaque, whatever its values.

    Returns:
        For each ray the rows colour (3), sum of the weights, weighted sum of the disparities, spread (see
        `RenderOutput.spread`), and without gradients: weighted sums of the planes' places in [0, 1] and of
        their depths, and the composited base colour (3). Then the sum of the weights of each layer.
    """
    settings = offset, least_transparency, opaque_last
    sums, layers = _Composite.apply(alpha, base_color, specular.contiguous(), lines, disparities, *settings)
    return sums, layers


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, Tensor]:
        tensors, settings = inputs[:5], inputs[5:]
        rays, layers = tensors[2].shape[:2]
        sums = torch.zeros(_ROWS, rays, device=tensors[0].device)
        weights = torch.zeros(layers, rays, device=tensors[0].device)
        _launch(composite_forward, tensors, (sums, weights), *settings)
        ctx.save_for_backward(*tensors, sums, weights)
        ctx.settings = settings
        return sums, weights

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_sums: Tensor, by_weights: Tensor) -> tuple[Tensor | None, ...]:
        *tensors, sums, weights = ctx.saved_tensors
        by_sums, by_weights = by_sums.contiguous(), by_weights.contiguous()
        # Sum over the planes of weight times gradient by the weight; the spread is of second degree.
        ends = (by_sums[:_SPREAD] * sums[:_SPREAD]).sum(dim=0) + (by_weights * weights).sum(dim=0)
        ends += 2 * by_sums[_SPREAD] * sums[_SPREAD]
        gradients = [torch.zeros_like(tensor) for tensor in tensors[:3]]
        _launch(composite_backward, tensors, (sums, by_sums, by_weights, ends, *gradients), *ctx.settings)
        return *gradients, None, None, None, None, None


def _launch(
    kernel: Any,
    tensors: Sequence[Tensor],
    others: Sequence[Tensor],
    offset: float,
    least_transparency: float,
    opaque_last: bool,
) -> None:
    alpha, base_color, specular, _, _ = tensors
    rays, layers = specular.shape[:2]
    sizes = rays, layers, len(alpha) // layers, *alpha.shape[1:], *base_color.shape[2:]
    sizes += offset, least_transparency, _LEAST_LIGHT
    programs = (triton.cdiv(rays, _BLOCK),)
    launch(kernel, programs, *tensors, *others, *sizes, OPAQUE=opaque_last, BLOCK=_BLOCK, num_warps=_WARPS)
