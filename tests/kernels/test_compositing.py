"""Compositing in one pass, against PyTorch: interpreted, and compiled on a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from normnex_pl.model.compositing import composite_shaded, mean_depth
from support.interpreter import interpreted, needs_gpu

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
    torch.testing.assert_close(found["weights"], plain["planes"].weights, rtol=1e-4, atol=1e-6)
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
    for name in ("rgb", "diffuse", "acc", "depth", "disparity", "spread", "layer_weights"):
        torch.testing.assert_close(fused[name], plain[name], rtol=1e-4, atol=1e-5, msg=name)


def test_what_is_not_a_number_is_seen(tmp_path: Path) -> None:
    alpha, base_color, specular, depths = planes_of_rays(3, 2, 1)
    specular[1] = torch.nan
    sums = interpreted(COMPOSITE, {"tensors": (alpha, base_color, specular, depths)}, tmp_path)["sums"]
    assert sums[:3].isnan().all(dim=0).tolist() == [False, True, False]
