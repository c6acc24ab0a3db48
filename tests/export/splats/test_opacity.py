"""Opacities of splats that cover a plane."""

from __future__ import annotations

import math

import pytest
import torch

from export.splats.oracle import render_splats
from normnex_pl.core.types import Camera
from normnex_pl.export.splats.harmonics import Y0
from normnex_pl.export.splats.opacity import dilogarithm, splat_opacities, splat_variances
from normnex_pl.export.splats.rasterisers import RASTERISERS, Rasteriser
from normnex_pl.export.splats.splats import Splats


def test_the_dilogarithm_has_its_known_values() -> None:
    found = dilogarithm(torch.tensor([0.0, 0.5, 1.0]).double())
    expected = torch.tensor([0.0, math.pi**2 / 12 - math.log(2) ** 2 / 2, math.pi**2 / 6]).double()
    torch.testing.assert_close(found, expected, atol=3e-4, rtol=0)


def grid_of_splats(alpha: float, pitch: float, rasteriser: Rasteriser) -> Splats:
    """Cover a white plane at depth 1, seen by `CAMERA`."""
    side = int(64 / pitch)
    x, y = torch.meshgrid(*[(torch.arange(side) + 0.5) * pitch] * 2, indexing="xy")
    means = torch.stack([x.flatten() / 64, y.flatten() / 64, torch.ones(side**2)], dim=-1)
    planes = torch.full((side**2,), alpha)
    variance = splat_variances(planes, pitch, (0.4, 1.2), 0.99, rasteriser)
    opacity = splat_opacities(planes, variance, pitch, 0.99, rasteriser)
    sh = torch.zeros(side**2, 9, 3)
    sh[:, 0] = 0.5 / Y0
    scales = torch.tensor([1, 1, 0.01]) * variance.sqrt()[:, None] / 64
    return Splats(means, scales, opacity, sh)


CAMERA = Camera(torch.tensor([[64.0, 0, 0], [0, 64.0, 0], [0, 0, 1]]), torch.eye(3, 4), 64, 64)


@pytest.mark.parametrize("alpha", [0.05, 0.3, 0.6, 0.9, 0.98])
@pytest.mark.parametrize("pitch", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("name", RASTERISERS)
def test_splats_on_a_grid_are_as_opaque_as_their_plane(name: str, pitch: float, alpha: float) -> None:
    splats = grid_of_splats(alpha, pitch, RASTERISERS[name])
    shown = render_splats(splats, CAMERA, antialiased=name == "antialiased")[12:-12, 12:-12]
    depth = -torch.log1p(-shown[..., 0]).mean()
    assert float(1 - torch.exp(-depth)) == pytest.approx(alpha, abs=0.02)


@pytest.mark.parametrize("rasteriser", RASTERISERS.values(), ids=list(RASTERISERS))
def test_splats_are_larger_only_where_they_must_be(rasteriser: Rasteriser) -> None:
    alpha = torch.tensor([0.0, 0.2, 0.9, 0.999])
    sizes = splat_variances(alpha, 1.0, (0.4, 1.2), 0.99, rasteriser).sqrt()
    assert float(sizes[0]) == pytest.approx(0.4)
    assert sizes.diff().min() >= 0
    assert float(sizes[-1]) > 0.5
    opacities = splat_opacities(alpha, sizes**2, 1.0, 0.99, rasteriser)
    assert float(opacities[0]) == 0
    assert float(opacities.max()) <= 0.99
