"""Encoding, basis functions and colour models."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from normnex_pl.model.appearance import NeuralBasis, RGBColor, ViewQuery
from normnex_pl.model.encoding import fourier_features
from support.small import few, numpy64


def test_fourier_features_worked_by_hand() -> None:
    """Angles of 0.5 pi x and pi x: sines of all coordinates first, then cosines."""
    found = fourier_features(torch.tensor([[1.0, 1 / 3]], dtype=torch.float64), octaves=2)
    half, root = 0.5, np.sqrt(3) / 2
    expected = [1, 0, half, root, 0, -1, root, half]
    np.testing.assert_allclose(found, [expected], atol=1e-12)


@few
@given(st.integers(1, 3), st.integers(1, 10))
def test_fourier_features_are_sines_and_cosines_of_each_coordinate(dim: int, octaves: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.rand(5, 2, dim, generator=generator, dtype=torch.float64) - 1
    found = fourier_features(x, octaves)
    assert found.shape == (5, 2, 2 * octaves * dim)
    angles = np.stack(
        [0.5 * np.pi * 2**k * x[..., d].numpy() for d in range(dim) for k in range(octaves)], -1
    )
    np.testing.assert_allclose(found, np.concatenate([np.sin(angles), np.cos(angles)], -1), atol=1e-9)


def test_basis_has_the_papers_layers() -> None:
    layers = [module for module in NeuralBasis(ViewQuery()).network if isinstance(module, nn.Linear)]
    sizes = [(layer.in_features, layer.out_features) for layer in layers]
    assert sizes == [(12, 64), (64, 64), (64, 8)]


def test_basis_ignores_the_third_component_alone() -> None:
    torch.manual_seed(0)
    basis = NeuralBasis(ViewQuery())
    directions = torch.tensor([[0.1, -0.2, 0.9]])
    torch.testing.assert_close(basis(directions * torch.tensor([1, 1, 5.0]), None), basis(directions, None))
    for axis in (0, 1):
        turned = directions.clone()
        turned[:, axis] += 0.3
        assert (basis(turned, None) - basis(directions, None)).abs().max() > 1e-3


def test_basis_is_bounded_by_one() -> None:
    torch.manual_seed(0)
    basis = NeuralBasis(ViewQuery(), num_basis=5)
    with torch.no_grad():
        for parameter in basis.parameters():
            parameter.mul_(20)
    values = basis(torch.randn(24, 3), None)
    assert values.shape == (24, 1, 5)
    assert values.abs().max() <= 1
    assert values.min() < -0.9
    assert values.max() > 0.9


@pytest.mark.parametrize("num_basis", [1, 8])
def test_rgb_colour_asks_for_a_coefficient_a_channel_and_function(num_basis: int) -> None:
    assert RGBColor().num_features(num_basis) == 3 * num_basis


def test_rgb_colour_is_the_sum_of_squashed_coefficients_times_the_basis() -> None:
    """Features hold all of red's coefficients, then green's, then blue's."""
    generator = torch.Generator().manual_seed(0)
    features = 2 * torch.randn(4, 3, 24, generator=generator)
    basis = 2 * torch.rand(4, 8, generator=generator) - 1
    found = RGBColor().specular(features, basis[:, None])
    assert found.shape == (4, 3, 3)
    k, H = np.tanh(numpy64(features)), numpy64(basis)
    for ray in range(4):
        for layer in range(3):
            for channel in range(3):
                expected = sum(k[ray, layer, 8 * channel + n] * H[ray, n] for n in range(8))
                assert found[ray, layer, channel].item() == pytest.approx(expected, abs=1e-5)


def test_without_coefficients_nothing_depends_on_the_view() -> None:
    assert (RGBColor().specular(torch.zeros(2, 3, 24), torch.ones(2, 1, 8)) == 0).all()


def test_mixed_precision_does_not_round_the_colour() -> None:
    features, basis = torch.randn(5, 2, 24), torch.randn(5, 1, 8)
    expected = RGBColor().specular(features, basis)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(RGBColor().specular(features, basis), expected)
