"""Opacities of grids by kernels, against PyTorch: interpreted, and compiled on a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from normnex_pl.core.rendering import PlaneSamples
from normnex_pl.geometry.layout import PlaneLayout
from normnex_pl.model.fields import GridField
from support.interpreter import interpreted, needs_gpu
from support.small import GEOMETRY

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
