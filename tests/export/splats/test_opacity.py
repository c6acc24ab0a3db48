"""Opacities of splats that cover a plane."""

from __future__ import annotations

import math

import pytest
import torch

from export.splats.oracle import render_splats
from normnex_pl.core.types import Camera
from normnex_pl.export.splats.harmonics import Y0
from normnex_pl.export.splats.opacity import dilogarithm, splat_opacity, splat_sizes
from normnex_pl.export.splats.splats import Splats


def test_the_dilogarithm_has_its_known_values() -> None:
    found = dilogarithm(torch.tensor([0.0, 0.5, 1.0]).double())
    expected = torch.tensor([0.0, math.pi**2 / 12 - math.log(2) ** 2 / 2, math.pi**2 / 6]).double()
    torch.testing.assert_close(found, expected, atol=3e-4, rtol=0)


def grid_of_splats(alpha: float, pitch: float, size: float = 0.6) -> tuple[Splats, float]:
    """Cover a white plane at depth 1, seen by `camera`, and return the splats' size."""
    side = int(64 / pitch)
    x, y = torch.meshgrid(*[(torch.arange(side) + 0.5) * pitch] * 2, indexing="xy")
    means = torch.stack([x.flatten() / 64, y.flatten() / 64, torch.ones(side**2)], dim=-1)
    sizes = splat_sizes(torch.tensor([alpha]), size, 1.0, 0.99)
    opacity = splat_opacity(torch.tensor([alpha]), sizes, 0.99)
    variance = float(sizes * pitch) ** 2 - 0.3  # what the rasteriser adds
    sh = torch.zeros(side**2, 9, 3)
    sh[:, 0] = 0.5 / Y0
    scales = torch.tensor([1, 1, 0.01]) * torch.full((side**2, 1), variance**0.5 / 64)
    return Splats(means, scales, opacity.expand(side**2), sh), float(sizes)


CAMERA = Camera(torch.tensor([[64.0, 0, 0], [0, 64.0, 0], [0, 0, 1]]), torch.eye(3, 4), 64, 64)


@pytest.mark.parametrize("alpha", [0.05, 0.3, 0.6, 0.9, 0.98])
@pytest.mark.parametrize("pitch", [1.0, 2.0, 4.0])
def test_splats_on_a_grid_are_as_opaque_as_their_plane(alpha: float, pitch: float) -> None:
    splats, _ = grid_of_splats(alpha, pitch)
    shown = render_splats(splats, CAMERA)[12:-12, 12:-12]
    depth = -torch.log1p(-shown[..., 0]).mean()
    assert float(1 - torch.exp(-depth)) == pytest.approx(alpha, abs=0.02)


def test_splats_that_cannot_be_opaque_enough_are_larger() -> None:
    assert grid_of_splats(0.5, 1.0)[1] == pytest.approx(0.6)
    assert grid_of_splats(0.999, 1.0)[1] > 0.7
