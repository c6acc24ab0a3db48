"""Textures of layers read by kernels, against PyTorch in float64: interpreted, and compiled on a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from support.interpreter import interpreted, needs_gpu

READ = """
from normnex_pl.kernels.textures import read_layers
textures = case["textures"].requires_grad_()
values = read_layers(textures, case["lines"], case["disparities"])
values.backward(case["gradient"])
result = {"values": values.detach(), "textures": textures.grad}
"""


def textures_and_rays(rays: int, spread: float, features: int = 10) -> dict[str, Tensor]:
    """Make textures, and lines of rays that lie on few texels or are spread beyond the canvas."""
    torch.manual_seed(0)
    return {
        "textures": torch.randn(3, features, 9, 12),
        "lines": spread * torch.randn(6, rays),
        "disparities": torch.rand(3),
        "gradient": torch.randn(rays, 3, features),
    }


def expected(case: dict[str, Tensor]) -> dict[str, Tensor]:
    textures = case["textures"].detach().double().requires_grad_()
    x, along_x, y, along_y = (row[:, None] for row in case["lines"][:4].double())
    disparities = case["disparities"].double()
    places = torch.stack([x + along_x * disparities, y + along_y * disparities], dim=-1)
    grid = places.permute(1, 0, 2)[:, None]
    read = F.grid_sample(textures, grid, padding_mode="border", align_corners=False)
    values = read[:, :, 0].permute(2, 0, 1)
    values.backward(case["gradient"].double())
    assert textures.grad is not None
    return {"values": values.detach(), "textures": textures.grad}


@pytest.mark.parametrize("spread", [0.003, 0.5])
@pytest.mark.parametrize(("rays", "features"), [(150, 10), (3, 24)])
def test_layers_are_read_as_by_pytorch(spread: float, rays: int, features: int, tmp_path: Path) -> None:
    case = textures_and_rays(rays, spread, features)
    found = interpreted(READ, case, tmp_path)
    for name, values in expected(case).items():
        torch.testing.assert_close(found[name].double(), values, rtol=1e-5, atol=1e-5, msg=name)


@needs_gpu
@pytest.mark.parametrize("spread", [0.003, 0.5])
def test_layers_are_read_on_a_gpu(spread: float) -> None:
    from normnex_pl.kernels.textures import read_layers

    case = {name: values.cuda() for name, values in textures_and_rays(5000, spread, 24).items()}
    textures = case["textures"].requires_grad_()
    read_layers(textures, case["lines"], case["disparities"]).backward(case["gradient"])
    assert textures.grad is not None
    torch.testing.assert_close(textures.grad.double(), expected(case)["textures"], rtol=1e-3, atol=1e-2)
