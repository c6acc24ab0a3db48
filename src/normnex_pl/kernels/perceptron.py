"""A multilayer perceptron in bfloat16: product, bias and leaky ReLU of a layer in one pass over memory.

With a few hundred units, moving the values of a layer takes as long as its matrix product: PyTorch's separate
passes for the activation, its gradient and the bias cost as much again. Products are summed in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from normnex_pl.kernels import launch
from normnex_pl.kernels.language import tl, triton

# Precision of the factors of products, and of activations.
PRECISION = torch.bfloat16
# Tile of a program: samples, columns, summed values. Fewer columns read the samples more often, more of them
# leave no room for two programs per multiprocessor, one of which stores while the other multiplies.
_SAMPLES, _COLUMNS, _DEPTH = 128, 128, 64
_STAGES = 3
# Programs that share the sum over the samples: about two per multiprocessor of a large GPU.
_PROGRAMS = 264


def perceptron(
    inputs: Float[Tensor, "sample input"], layers: Sequence[nn.Linear], negative_slope: float
) -> Float[Tensor, "sample output"]:
    """Apply linear layers with a leaky ReLU between them, rounded to bfloat16 as ``torch.autocast`` does.

    Args:
        inputs: On a CUDA device; no gradient reaches them.
        layers: With biases, first to last; no activation follows the last one.
        negative_slope: Slope of the leaky ReLU below zero; not negative, so that outputs have the signs of
            inputs.

    Returns:
        The outputs in float32.

    Raises:
        ValueError: The inputs require a gradient, or the slope is negative.
        RuntimeError: The backward pass runs twice: the first one overwrites the saved activations.
    """
    if inputs.requires_grad or negative_slope < 0:
        raise ValueError(
            f"perceptron: expected inputs without gradient and a slope of at least 0, found requires_grad="
            f"{inputs.requires_grad} and {negative_slope}"
        )
    parameters = [parameter for layer in layers for parameter in (layer.weight, layer.bias)]
    keeps = torch.is_grad_enabled() and any(parameter.requires_grad for parameter in parameters)
    outputs: Tensor = _Perceptron.apply(inputs, negative_slope, keeps, *parameters)
    return outputs


class _Perceptron(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, slope: float, keeps: bool, *parameters: Tensor) -> Tensor:
        weights = [weight.to(PRECISION) for weight in parameters[::2]]
        slopes = [slope] * (len(weights) - 1) + [1.0]
        values = inputs.to(PRECISION).contiguous()
        kept = []
        for weight, bias, slope_after in zip(weights, parameters[1::2], slopes, strict=True):
            if keeps:
                kept.append(values)
            dtype = torch.float32 if weight is weights[-1] else PRECISION
            values = _linear(values, weight, bias, slope_after, dtype)
        ctx.slope = slope
        ctx.is_spent = False
        ctx.save_for_backward(*weights, *kept)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.is_spent:
            raise RuntimeError(
                "perceptron: its gradients were computed already, in place of the saved activations"
            )
        ctx.is_spent = True
        saved = ctx.saved_tensors
        weights, kept = saved[: len(saved) // 2], saved[len(saved) // 2 :]
        by_bias = gradient.sum(dim=0)
        passed = gradient.to(PRECISION).contiguous()
        result: list[Tensor | None] = []
        for index in reversed(range(len(weights))):
            result[:0] = [_weight_gradient(passed, kept[index]), by_bias]
            if index > 0:
                passed, by_bias = _input_gradient(passed, weights[index], kept[index], ctx.slope)
        return None, None, None, *result


def _linear(inputs: Tensor, weight: Tensor, bias: Tensor, slope: float, dtype: torch.dtype) -> Tensor:
    """Apply a layer and the activation that follows it; a slope of 1 means none."""
    samples, (fan_out, fan_in) = len(inputs), weight.shape
    outputs = torch.empty(samples, fan_out, device=inputs.device, dtype=dtype)
    tile = {"SAMPLES": _SAMPLES, "COLUMNS": _side(fan_out, _COLUMNS), "DEPTH": _side(fan_in, _DEPTH)}
    programs = (triton.cdiv(samples, _SAMPLES) * triton.cdiv(fan_out, tile["COLUMNS"]),)
    arguments = (weight, bias, outputs, samples, slope)
    sizes = {"FAN_IN": fan_in, "FAN_OUT": fan_out, **tile}
    launch(_forward, programs, inputs, *arguments, **sizes, num_warps=8, num_stages=_STAGES)
    return outputs


def _input_gradient(gradient: Tensor, weight: Tensor, inputs: Tensor, slope: float) -> tuple[Tensor, Tensor]:
    """Return the gradients by the previous layer's pre-activations, and their sums over the samples.

    The former overwrite the inputs, whose signs tell the slope of the activation.
    """
    samples, (fan_out, fan_in) = len(inputs), weight.shape
    blocks = triton.cdiv(samples, _SAMPLES)
    tile = {"SAMPLES": _SAMPLES, "COLUMNS": _side(fan_in, _COLUMNS), "DEPTH": _side(fan_out, _DEPTH)}
    sums = torch.empty(blocks, fan_in, device=inputs.device, dtype=torch.float32)
    programs = (blocks * triton.cdiv(fan_in, tile["COLUMNS"]),)
    arguments = (weight, inputs, sums, samples, slope)
    sizes = {"FAN_IN": fan_in, "FAN_OUT": fan_out, **tile}
    launch(_backward, programs, gradient, *arguments, **sizes, num_warps=4, num_stages=_STAGES)
    return inputs, sums.sum(dim=0)


def _weight_gradient(gradient: Tensor, inputs: Tensor) -> Tensor:
    """Return the gradient of a layer's weights, by partial sums that are stored and then added.

    Atomic additions would make results differ from run to run.
    """
    samples, fan_out, fan_in = len(inputs), gradient.shape[1], inputs.shape[1]
    tiles = triton.cdiv(fan_out, _COLUMNS) * triton.cdiv(fan_in, _COLUMNS)
    parts = min(max(1, _PROGRAMS // tiles), triton.cdiv(samples, _DEPTH))
    sums = torch.empty(parts, fan_out, fan_in, device=inputs.device, dtype=torch.float32)
    arguments = (inputs, sums, samples, parts)
    sizes = {"FAN_IN": fan_in, "FAN_OUT": fan_out, "TILE": _COLUMNS, "DEPTH": _DEPTH}
    launch(_sum_products, (tiles, parts), gradient, *arguments, **sizes, num_warps=4, num_stages=_STAGES)
    return sums.sum(dim=0)


def _side(size: int, largest: int) -> int:
    """Return a tile side that matrix units accept, no larger than ``size`` values require."""
    return min(largest, max(16, triton.next_power_of_2(size)))


@triton.jit
def _forward(  # type: ignore[no-untyped-def]
    inputs, weight, bias, outputs, samples, slope,
    FAN_IN: tl.constexpr, FAN_OUT: tl.constexpr,
    SAMPLES: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    # Neighbouring programs read the same samples.
    tiles: tl.constexpr = tl.cdiv(FAN_OUT, COLUMNS)
    sample = tl.program_id(0) // tiles * SAMPLES + tl.arange(0, SAMPLES)
    column = tl.program_id(0) % tiles * COLUMNS + tl.arange(0, COLUMNS)
    depth = tl.arange(0, DEPTH)
    is_sample, is_column = (sample < samples)[:, None], (column < FAN_OUT)[None, :]
    rows = inputs + sample.to(tl.int64)[:, None] * FAN_IN
    total = tl.zeros((SAMPLES, COLUMNS), tl.float32)
    for start in range(0, FAN_IN, DEPTH):
        value = start + depth
        left = tl.load(rows + value[None, :], is_sample & (value < FAN_IN)[None, :], 0.0)
        right = tl.load(
            weight + column[None, :] * FAN_IN + value[:, None], is_column & (value < FAN_IN)[:, None], 0.0
        )
        total = tl.dot(left, right, total)
    total += tl.load(bias + column, column < FAN_OUT, 0.0)[None, :]
    total = tl.where(total > 0, total, total * slope)
    place = outputs + sample.to(tl.int64)[:, None] * FAN_OUT + column[None, :]
    tl.store(place, total.to(outputs.dtype.element_ty), is_sample & is_column)


@triton.jit
def _backward(  # type: ignore[no-untyped-def]
    gradient, weight, inputs, sums, samples, slope,
    FAN_IN: tl.constexpr, FAN_OUT: tl.constexpr,
    SAMPLES: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    tiles: tl.constexpr = tl.cdiv(FAN_IN, COLUMNS)
    block = tl.program_id(0) // tiles
    sample = block * SAMPLES + tl.arange(0, SAMPLES)
    column = tl.program_id(0) % tiles * COLUMNS + tl.arange(0, COLUMNS)
    depth = tl.arange(0, DEPTH)
    is_sample, is_column = (sample < samples)[:, None], (column < FAN_IN)[None, :]
    rows = gradient + sample.to(tl.int64)[:, None] * FAN_OUT
    total = tl.zeros((SAMPLES, COLUMNS), tl.float32)
    for start in range(0, FAN_OUT, DEPTH):
        value = start + depth
        left = tl.load(rows + value[None, :], is_sample & (value < FAN_OUT)[None, :], 0.0)
        right = tl.load(
            weight + value[:, None] * FAN_IN + column[None, :], is_column & (value < FAN_OUT)[:, None], 0.0
        )
        total = tl.dot(left, right, total)
    place = inputs + sample.to(tl.int64)[:, None] * FAN_IN + column[None, :]
    total = tl.where(tl.load(place, is_sample & is_column, 0.0) > 0, total, total * slope)
    tl.store(place, total.to(inputs.dtype.element_ty), is_sample & is_column)
    tl.store(sums + block * FAN_IN + column, tl.sum(total, axis=0), column < FAN_IN)


@triton.jit
def _sum_products(  # type: ignore[no-untyped-def]
    gradient, inputs, sums, samples, parts,
    FAN_IN: tl.constexpr, FAN_OUT: tl.constexpr, TILE: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    # Neighbouring programs read the same samples.
    tiles: tl.constexpr = tl.cdiv(FAN_IN, TILE)
    row = tl.program_id(0) // tiles * TILE + tl.arange(0, TILE)
    column = tl.program_id(0) % tiles * TILE + tl.arange(0, TILE)
    total = tl.zeros((TILE, TILE), tl.float32)
    for start in range(tl.program_id(1) * DEPTH, samples, parts * DEPTH):
        sample = start + tl.arange(0, DEPTH)
        is_sample = (sample < samples)[:, None]
        place = sample.to(tl.int64)[:, None]
        left = tl.load(gradient + place * FAN_OUT + row[None, :], is_sample & (row < FAN_OUT)[None, :], 0.0)
        right = tl.load(
            inputs + place * FAN_IN + column[None, :], is_sample & (column < FAN_IN)[None, :], 0.0
        )
        total = tl.dot(tl.trans(left), right, total)
    place = sums + (tl.program_id(1) * FAN_OUT + row)[:, None] * FAN_IN + column[None, :]
    tl.store(place, total, (row < FAN_OUT)[:, None] & (column < FAN_IN)[None, :])
