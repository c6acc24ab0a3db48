"""Spherical harmonics and fits of colours by them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import sph_harm_y
from torch import Tensor

from normnex_pl.export.splats.harmonics import FLIPPED, HarmonicFit, harmonics, shown_colors


def directions(count: int, widest: float = np.pi) -> Tensor:
    """Draw unit vectors within an angle around the forward axis."""
    rng = np.random.default_rng(0)
    z = rng.uniform(np.cos(widest), 1, count)
    angle = rng.uniform(0, 2 * np.pi, count)
    side = np.sqrt(1 - z**2)
    return torch.from_numpy(np.stack([side * np.cos(angle), side * np.sin(angle), z], axis=-1))


def test_the_functions_are_scipys_real_harmonics_up_to_the_signs_of_splatting() -> None:
    v = directions(50)
    polar, azimuth = torch.arccos(v[:, 2]).numpy(), torch.atan2(v[:, 1], v[:, 0]).numpy()
    expected = []
    for degree in range(3):
        for order in range(-degree, degree + 1):
            complex_value = sph_harm_y(degree, abs(order), polar, azimuth)  # with the Condon-Shortley phase
            part = complex_value.imag if order < 0 else complex_value.real
            expected.append(part * (np.sqrt(2) if order else 1))
    np.testing.assert_allclose(harmonics(v).numpy(), np.stack(expected, axis=-1), atol=1e-12)


def test_reflected_axes_change_signs_alone() -> None:
    v = directions(50)
    reflected = harmonics(v * torch.tensor([1.0, -1, -1]))
    torch.testing.assert_close(reflected, harmonics(v) * torch.tensor(FLIPPED))


def test_a_fit_recovers_colours_that_harmonics_make() -> None:
    v = directions(60).expand(4, 60, 3)
    sh = 0.2 * torch.randn(4, 9, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    colors = 0.5 + (sh[:, None] * harmonics(v)[..., None]).sum(dim=2)
    found = HarmonicFit(ridge=1e-12)(v, colors)
    torch.testing.assert_close(found, sh, atol=1e-6, rtol=0)


def narrow() -> tuple[Tensor, Tensor]:
    """Return directions of a capture, and colours that drift with them."""
    v = directions(30, widest=0.2)
    return v[None], (0.5 + v @ torch.tensor([[0.4, 0, 0.1], [0, 0.3, 0.1], [0, 0, 0]]).double())[None]


def test_a_fit_in_a_narrow_cone_follows_the_colours_with_small_coefficients() -> None:
    v, colors = narrow()
    sh = HarmonicFit()(v, colors)
    errors = [shown_colors(sh.expand(30, 9, 3), v[0]) - colors[0]]
    assert float(torch.cat(errors).abs().max()) < 0.01
    assert float(sh[:, 1:].abs().max()) < 2


@pytest.mark.parametrize("limit", [0.25, 1.0])
def test_coefficients_fit_a_files_steps_and_the_mean_colour_stays(limit: float) -> None:
    v, colors = narrow()
    sh = HarmonicFit(limit=limit, steps=(1 / 16, 1 / 8))(v, colors)
    linear, quadratic = sh[:, 1:4], sh[:, 4:]
    for part, step in ((linear, 1 / 16), (quadratic, 1 / 8)):
        torch.testing.assert_close(part / step, (part / step).round())
        assert float(part.abs().max()) <= limit
    shown = shown_colors(sh.expand(30, 9, 3), v[0])
    torch.testing.assert_close(shown.mean(dim=0), colors[0].mean(dim=0))
