"""Triton kernels against their twins in PyTorch: interpreted here, compiled where there is a GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from normnex_pl.core.rendering import PlaneSamples
from normnex_pl.geometry.layout import PlaneLayout
from normnex_pl.model.compositing import composite_shaded, mean_depth
from normnex_pl.model.encoding import fourier_features
from normnex_pl.model.fields import GridField, MLPField
from normnex_pl.model.fields.texture import BaseColorTexture, sample_layers
from normnex_pl.model.fields.variation import total_variation
from support.small import FIELDS, GEOMETRY, forward_rays, make_mpi

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

SAMPLE = """
from normnex_pl.kernels.colors import sample_sigmoid
raw = case["raw"].requires_grad_()
colors = sample_sigmoid(raw, case["coordinates"])
(gradient,) = torch.autograd.grad(colors, raw, case["given"])
result = {"colors": colors.detach(), "gradient": gradient}
"""
VARY = """
from normnex_pl.kernels.variation import add_variation_gradient
gradient = case["gradient"]
result = {"loss": add_variation_gradient(case["raw"], gradient, case["weight"]), "gradient": gradient}
"""
# The interpreter multiplies no bfloat16: the same kernels with float32 show that they read, sum and write
# what they should.
ENCODE = """
from normnex_pl.kernels import encoding
from normnex_pl.kernels.encoding import encode_planes
encoding.PRECISION = torch.float32
result = {"encoded": encode_planes(case["coordinates"], case["of_planes"], case["octaves"])}
"""
LAYERS = """
from normnex_pl.kernels import perceptron
perceptron.PRECISION = torch.float32
layers = case["layers"]
outputs = perceptron.perceptron(case["inputs"], layers, case["slope"])
outputs.backward(case["given"])
gradients = [parameter.grad for layer in layers for parameter in layer.parameters()]
result = {"outputs": outputs.detach(), "gradients": gradients}
"""


def interpreted(script: str, case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run a script on a case in a process of its own: Triton decides at import whether to interpret."""
    torch.save(case, folder / "case.pt")
    whole = (
        "import sys, torch\ncase = torch.load(sys.argv[1], weights_only=False)\n"
        f"{script}\ntorch.save(result, sys.argv[2])"
    )
    done = subprocess.run(
        [sys.executable, "-c", whole, folder / "case.pt", folder / "result.pt"],
        env=os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = torch.load(folder / "result.pt")
    return result


def sampled(raw: Tensor, coordinates: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
    raw = raw.detach().requires_grad_()
    colors = sample_layers(torch.sigmoid(raw), coordinates)
    (gradient,) = torch.autograd.grad(colors, raw, given)
    return colors.detach(), gradient


@pytest.mark.parametrize(
    ("layers", "sublayers", "height", "width", "rays"),
    [(3, 2, 7, 9, 300), (1, 1, 1, 1, 5), (2, 3, 4, 1, 257)],
)
def test_interpreted_kernels_sample_as_pytorch_does(
    layers: int, sublayers: int, height: int, width: int, rays: int, tmp_path: Path
) -> None:
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(layers, 3, height, width, generator=generator)
    planes = layers * sublayers
    # Beyond the canvas, too, and in memory as `canvas_coordinates` lays it out.
    coordinates = (3 * torch.rand(planes, rays, 2, generator=generator) - 1.5).transpose(0, 1)
    given = torch.randn(rays, planes, 3, generator=generator)
    found = interpreted(SAMPLE, {"raw": raw, "coordinates": coordinates, "given": given}, tmp_path)
    colors, gradient = sampled(raw, coordinates, given)
    torch.testing.assert_close(found["colors"], colors, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found["gradient"], gradient, rtol=1e-4, atol=1e-5)


@needs_gpu
def test_compiled_kernels_sample_as_pytorch_does() -> None:
    torch.manual_seed(0)
    texture = BaseColorTexture(4, 33, 47).cuda()
    coordinates = 3 * torch.rand(1000, 12, 2, device="cuda") - 1.5
    given = torch.randn(1000, 12, 3, device="cuda")
    colors, gradient = sampled(texture.raw, coordinates, given)
    found = texture(coordinates)
    found.backward(given)
    torch.testing.assert_close(found, colors, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(texture.raw.grad, gradient, rtol=1e-3, atol=1e-4)


def varied(raw: Tensor, weight: float) -> tuple[Tensor, Tensor]:
    raw = raw.detach().double().requires_grad_()
    loss = total_variation(raw.sigmoid())
    (gradient,) = torch.autograd.grad(weight * loss, raw)
    return loss.detach(), gradient


@pytest.mark.parametrize("shape", [(2, 3, 9, 13), (1, 1, 2, 2), (2, 3, 40, 57)])
def test_the_variation_and_its_gradient_are_those_of_autograd(
    shape: tuple[int, int, int, int], tmp_path: Path
) -> None:
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(shape, generator=generator)
    raw[..., 0] = raw[..., 1]  # where nothing varies there is no slope
    before = torch.randn(shape, generator=generator)
    case = {"raw": raw, "gradient": before.clone(), "weight": 0.3}
    found = interpreted(VARY, case, tmp_path)
    loss, gradient = varied(raw, 0.3)
    torch.testing.assert_close(found["loss"].double(), loss, rtol=1e-6, atol=0)
    torch.testing.assert_close((found["gradient"] - before).double(), gradient, rtol=1e-4, atol=1e-6)


@needs_gpu
def test_the_compiled_variation_is_that_of_autograd() -> None:
    torch.manual_seed(0)
    texture = BaseColorTexture(3, 301, 259).cuda()
    # Neighbours are equal or differ clearly: the sign of a rounding error is arbitrary.
    texture.raw.data = (16 * texture.raw.data).round() / 16
    loss = texture.variation.add_gradient(100.0)
    expected, gradient = varied(texture.raw, 100.0)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(texture.raw.grad.double(), gradient, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(("rays", "planes", "octaves", "shared"), [(70, 5, 10, 16), (3, 1, 2, 4)])
def test_points_on_planes_are_encoded_as_pytorch_does(
    rays: int, planes: int, octaves: int, shared: int, tmp_path: Path
) -> None:
    generator = torch.Generator().manual_seed(0)
    coordinates = (4 * torch.rand(planes, rays, 2, generator=generator) - 2).transpose(0, 1)
    of_planes = torch.randn(planes, shared, generator=generator)
    case = {"coordinates": coordinates, "of_planes": of_planes, "octaves": octaves}
    found = interpreted(ENCODE, case, tmp_path)["encoded"]
    own = fourier_features(coordinates.transpose(0, 1), octaves)
    expected = torch.cat([own, of_planes[:, None].expand(-1, rays, -1)], dim=-1).flatten(0, 1)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


OPACITY = """
from normnex_pl.kernels.opacity import grid_opacity
result = {"alpha": grid_opacity(case["grids"], case["coordinates"], 5.0)}
"""


def small_field(planes: int) -> GridField:
    """Create a field with a grid of as many slices as planes, one of fewer, and one of a single slice."""
    torch.manual_seed(0)
    field = GridField(PlaneLayout(GEOMETRY, planes, 1), 24, divisors=[planes, 2, 1])
    for grid in field.alpha:
        nn.init.normal_(grid, 2.0, 3.0)
    return field


@pytest.mark.parametrize(("rays", "planes"), [(300, 6), (5, 1), (257, 7)])
def test_opacities_are_read_as_pytorch_does(rays: int, planes: int, tmp_path: Path) -> None:
    field = small_field(planes)
    coordinates = (3 * torch.rand(planes, rays, 2) - 1.5).transpose(0, 1)
    case = {"grids": [grid.detach() for grid in field.alpha], "coordinates": coordinates}
    found = interpreted(OPACITY, case, tmp_path)["alpha"]
    with torch.no_grad():
        expected = field(PlaneSamples(coordinates, coordinates)).alpha
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    assert (found == 0).any()
    assert (found > 0).any()


@needs_gpu
def test_opacities_are_alike_with_and_without_gradients() -> None:
    field = small_field(12).cuda()
    coordinates = 3 * torch.rand(1000, 12, 2, device="cuda") - 1.5
    samples = PlaneSamples(coordinates, coordinates)
    with torch.no_grad():
        fused = field(samples).alpha
    torch.testing.assert_close(fused, field(samples).alpha, rtol=1e-3, atol=1e-5)


COMPOSITE = """
from normnex_pl.kernels.compositing import composite_planes
weights, sums = composite_planes(*case["tensors"], 1e-6)
result = {"weights": weights, "sums": sums}
"""


def planes_of_rays(rays: int, layers: int, sublayers: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Make opacities, some 0 and 1; colours; specular parts that clamp; depths. Laid out as by fields."""
    torch.manual_seed(0)
    planes = layers * sublayers
    alpha = (1.4 * torch.rand(planes, rays) - 0.2).clamp(0, 1).T * 0.3
    alpha[:, -1] = 1
    alpha[: rays // 2, planes // 2] = 1
    base_color = torch.rand(planes, rays, 3).transpose(0, 1)
    return alpha, base_color, torch.randn(rays, layers, 3), torch.linspace(1, 5, planes)


@pytest.mark.parametrize(("rays", "layers", "sublayers"), [(300, 3, 4), (1, 1, 1), (129, 5, 1)])
def test_compositing_in_one_pass_is_compositing(
    rays: int, layers: int, sublayers: int, tmp_path: Path
) -> None:
    tensors = planes_of_rays(rays, layers, sublayers)
    found = interpreted(COMPOSITE, {"tensors": tensors}, tmp_path)
    with torch.no_grad():
        plain = composite_shaded(*tensors)
    torch.testing.assert_close(found["weights"], plain["weights"], rtol=1e-4, atol=1e-6)
    sums = [*plain["rgb"].T, *plain["diffuse"].T, plain["acc"]]
    torch.testing.assert_close(found["sums"][:7], torch.stack(sums), rtol=1e-4, atol=1e-5)
    depth = mean_depth(found["sums"][7], found["sums"][6], tensors[3])
    torch.testing.assert_close(depth, plain["depth"], rtol=1e-4, atol=0)
    torch.testing.assert_close(found["sums"][8], plain["disparity"], rtol=1e-4, atol=1e-5)


@needs_gpu
def test_rays_look_alike_with_and_without_gradients() -> None:
    tensors = [tensor.cuda() for tensor in planes_of_rays(1000, 4, 6)]
    with torch.no_grad():
        fused = composite_shaded(*tensors)
    plain = composite_shaded(*tensors)
    for name, values in plain.items():
        torch.testing.assert_close(fused[name], values, rtol=1e-4, atol=1e-5, msg=name)


def test_what_is_not_a_number_is_seen(tmp_path: Path) -> None:
    alpha, base_color, specular, depths = planes_of_rays(3, 2, 1)
    specular[1] = torch.nan
    sums = interpreted(COMPOSITE, {"tensors": (alpha, base_color, specular, depths)}, tmp_path)["sums"]
    assert sums[:3].isnan().all(dim=0).tolist() == [False, True, False]


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


WIRED = """
from normnex_pl.kernels import encoding, perceptron
from normnex_pl.model import compositing
from normnex_pl.model.fields import grid, mlp, texture
encoding.PRECISION = perceptron.PRECISION = torch.float32
for module in (compositing, grid, mlp, texture):
    module.kernels_run_on = lambda _: True
mlp._rounds_to_bfloat16 = lambda _: True
mpi, rays = case["mpi"], case["rays"]
with torch.no_grad():
    seen = mpi.render(rays)
rendered = mpi.render(rays)
rendered.rgb.square().sum().backward()
torch.manual_seed(0)  # which layer is drawn
variation = mpi.field.regularizers()["tv_base_color"].add_gradient(0.1)
result = {
    "variation": variation,
    "seen": {name: getattr(seen, name) for name in case["names"]},
    "rendered": {name: getattr(rendered, name).detach() for name in case["names"]},
    "gradients": {name: parameter.grad for name, parameter in mpi.named_parameters()},
}
"""
SEEN = ("rgb", "acc", "depth", "disparity", "diffuse", "weights", "alpha", "specular", "features")


@pytest.mark.parametrize("field", FIELDS)
def test_a_model_renders_and_learns_by_kernels_as_without(field: str, tmp_path: Path) -> None:
    """Each kernel gets the arguments it is made for; in float32, since everything is interpreted."""
    mpi = make_mpi(field)
    rays = forward_rays(40)
    found = interpreted(WIRED, {"mpi": mpi, "rays": rays, "names": SEEN}, tmp_path)
    rendered = mpi.render(rays)
    rendered.rgb.square().sum().backward()
    torch.manual_seed(0)
    variation = mpi.field.regularizers()["tv_base_color"].add_gradient(0.1)
    torch.testing.assert_close(found["variation"], variation, rtol=1e-5, atol=0)
    for name in SEEN:
        expected = getattr(rendered, name).detach()
        for way in ("seen", "rendered"):
            torch.testing.assert_close(found[way][name], expected, rtol=1e-3, atol=1e-5, msg=f"{way} {name}")
    for name, parameter in mpi.named_parameters():
        torch.testing.assert_close(found["gradients"][name], parameter.grad, rtol=1e-3, atol=1e-5, msg=name)


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


@needs_gpu
def test_the_network_gives_the_same_with_and_without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    field = MLPField(PlaneLayout(GEOMETRY, 4, 3), 24).cuda()
    planes, layers = (2 * torch.rand(500, count, 2, device="cuda") - 1 for count in (12, 4))
    samples = PlaneSamples(planes, layers)
    with torch.autocast("cuda", torch.bfloat16):
        fused = field(samples)
        monkeypatch.setattr("normnex_pl.model.fields.mlp.kernels_run_on", lambda _: False)
        plain = field(samples)
    torch.testing.assert_close(fused.alpha, plain.alpha, rtol=2e-2, atol=1e-4)
    torch.testing.assert_close(fused.features, plain.features, rtol=2e-2, atol=1e-2)


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
    """As in training: by Triton's own compiler, which must get at the source of functions."""
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
