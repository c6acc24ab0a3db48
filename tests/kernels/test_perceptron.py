"""The perceptron by kernels, against float64: interpreted, compiled on a GPU and for absent GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from support.interpreter import interpreted, needs_gpu

LAYERS = """
from normnex_pl.kernels import perceptron
perceptron.PRECISION = torch.float32
layers = case["layers"]
outputs = perceptron.perceptron(case["inputs"], layers, case["slope"])
outputs.backward(case["given"])
gradients = [parameter.grad for layer in layers for parameter in layer.parameters()]
result = {"outputs": outputs.detach(), "gradients": gradients}
"""


def make_layers(sizes: Sequence[int]) -> list[nn.Linear]:
    torch.manual_seed(0)
    return [nn.Linear(*pair) for pair in pairwise(sizes)]


def in_float64(
    inputs: Tensor, layers: Sequence[nn.Linear], given: Tensor, slope: float
) -> tuple[Tensor, list[Tensor]]:
    exact = [deepcopy(layer).double() for layer in layers]
    values = exact[0](inputs.double())
    for layer in exact[1:]:
        values = layer(F.leaky_relu(values, slope))
    parameters = [parameter for layer in exact for parameter in layer.parameters()]
    return values.detach(), list(torch.autograd.grad(values, parameters, given.double()))


@pytest.mark.parametrize(
    ("samples", "sizes"),
    [(300, (56, 160, 160, 160, 1)), (130, (20, 96, 24)), (5, (56, 384, 384, 25)), (1, (3, 2))],
)
def test_layers_and_all_their_gradients_are_those_of_float64(
    samples: int, sizes: tuple[int, ...], tmp_path: Path
) -> None:
    layers = make_layers(sizes)
    # Column by column in memory, unlike today's callers.
    inputs, given = torch.randn(sizes[0], samples).T, torch.randn(sizes[-1], samples).T
    outputs, gradients = in_float64(inputs, layers, given, 0.01)
    case = {"inputs": inputs, "layers": layers, "given": given, "slope": 0.01}
    found = interpreted(LAYERS, case, tmp_path)
    torch.testing.assert_close(found["outputs"].double(), outputs, rtol=1e-5, atol=1e-5)
    for gradient, expected in zip(found["gradients"], gradients, strict=True):
        torch.testing.assert_close(gradient.double(), expected, rtol=1e-4, atol=1e-4)


def relative_error(found: Tensor, exact: Tensor) -> float:
    return float((found.detach().double() - exact).norm() / exact.norm())


# torch says so if the process has run no backward pass on the GPU before.
@pytest.mark.filterwarnings("ignore:Attempting to run cuBLAS")
@needs_gpu
def test_compiled_layers_are_as_exact_as_autocast() -> None:
    layers = [layer.cuda() for layer in make_layers((56, 384, 384, 384, 384, 384, 1))]
    inputs, given = torch.randn(3001, 56, device="cuda"), torch.randn(3001, 1, device="cuda")
    outputs, gradients = in_float64(inputs, layers, given, 0.01)
    plain = [deepcopy(layer) for layer in layers]
    with torch.autocast("cuda", torch.bfloat16):
        values = plain[0](inputs)
        for layer in plain[1:]:
            values = layer(F.leaky_relu(values, 0.01))
    values.float().backward(given)

    from normnex_pl.kernels.perceptron import perceptron

    found = perceptron(inputs, layers, 0.01)
    found.backward(given)
    assert relative_error(found, outputs) < relative_error(values, outputs)
    pairs = [
        (mine.grad, its.grad)
        for layer, twin in zip(layers, plain, strict=True)
        for mine, its in zip(layer.parameters(), twin.parameters(), strict=True)
    ]
    for (mine, its), exact in zip(pairs, gradients, strict=True):
        # Each rounds different values across zero, where the slope differs.
        assert relative_error(mine, exact) < 1.5 * relative_error(its, exact) + 1e-3


def test_only_what_can_be_differentiated_rightly_is_taken() -> None:
    perceptron = pytest.importorskip("normnex_pl.kernels.perceptron").perceptron
    layers = make_layers((3, 16, 2))
    with pytest.raises(ValueError, match="requires_grad=True"):
        perceptron(torch.randn(4, 3, requires_grad=True), layers, 0.01)
    with pytest.raises(ValueError, match="slope of at least 0"):
        perceptron(torch.randn(4, 3), layers, -0.01)


def test_gradients_are_refused_a_second_time(tmp_path: Path) -> None:
    once = 'outputs.backward(case["given"])'
    twice = LAYERS.replace(once, f"{once[:-1]}, retain_graph=True)\n{once}")
    layers = make_layers((3, 16, 2))
    case = {"inputs": torch.randn(4, 3), "layers": layers, "given": torch.randn(4, 2), "slope": 0.01}
    with pytest.raises(AssertionError, match="computed already"):
        interpreted(twice, case, tmp_path)


# Most shared memory of a program on GPUs of compute capabilities 8.0, 8.9 and 9.0.
SHARED_BYTES = {80: 163 << 10, 89: 99 << 10, 90: 227 << 10}


@pytest.mark.parametrize("capability", SHARED_BYTES)
@pytest.mark.parametrize("name", ["_forward", "_backward", "_sum_products"])
def test_layers_compile_for_gpus_that_are_not_here(name: str, capability: int) -> None:
    """Compile as in training, by Triton's own compiler, which needs the source of the functions."""
    triton = pytest.importorskip("triton")
    from triton.backends.compiler import GPUTarget

    from normnex_pl.kernels import perceptron

    kernel = getattr(perceptron, name)
    tile = {"SAMPLES": 128, "COLUMNS": 128, "DEPTH": 64, "TILE": 128}
    sizes = {"FAN_IN": 384, "FAN_OUT": 384} | {key: tile[key] for key in kernel.arg_names if key in tile}
    types = dict.fromkeys(("gradient", "weight", "inputs", "outputs"), "*bf16")
    types |= dict.fromkeys(("bias", "sums"), "*fp32") | {"samples": "i32", "parts": "i32", "slope": "fp32"}
    signature = {key: types.get(key, "constexpr") for key in kernel.arg_names}
    # Tensors begin at multiples of 16 bytes.
    pointers = [index for index, key in enumerate(kernel.arg_names) if signature[key].startswith("*")]
    aligned = {(index,): [["tt.divisibility", 16]] for index in pointers}
    source = triton.compiler.ASTSource(kernel, signature, sizes, aligned)
    compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32), options={"num_stages": 3})
    assert compiled.metadata.shared <= SHARED_BYTES[capability]
    assert ("wgmma" in compiled.asm["ptx"]) == (capability == 90)  # the matrix units of Hopper
