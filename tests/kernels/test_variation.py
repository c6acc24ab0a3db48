"""Total variation by a kernel, against autograd: interpreted, and compiled on a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from normnex_pl.model.fields.texture import BaseColorTexture
from normnex_pl.model.fields.variation import total_variation
from support.interpreter import interpreted, needs_gpu

VARY = """
from normnex_pl.kernels.variation import add_variation_gradient
gradient = case["gradient"]
result = {"loss": add_variation_gradient(case["raw"], gradient, case["weight"]), "gradient": gradient}
"""


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
