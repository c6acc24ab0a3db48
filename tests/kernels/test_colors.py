"""Colours of sigmoid textures by kernels, against PyTorch: interpreted, and compiled on a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from normnex_pl.model.fields.texture import BaseColorTexture, sample_layers
from support.interpreter import interpreted, needs_gpu

SAMPLE = """
from normnex_pl.kernels.colors import sample_sigmoid
raw = case["raw"].requires_grad_()
colors = sample_sigmoid(raw, case["coordinates"])
(gradient,) = torch.autograd.grad(colors, raw, case["given"])
result = {"colors": colors.detach(), "gradient": gradient}
"""


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
