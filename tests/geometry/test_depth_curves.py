"""Depth curves: monotone, through their depths, with the derivative that finite differences have."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

from normnex_pl.geometry.depth_curves import ThroughDepths, UniformInDepth, UniformInDisparity, depth_curve
from support.small import few

lists = st.lists(st.floats(0.02, 1), min_size=1, max_size=12).map(
    lambda steps: tuple((0.8 + np.cumsum([0, *steps])).tolist())
)


def shares(count: int = 401) -> torch.Tensor:
    return torch.linspace(0, 1, count, dtype=torch.float64)


@few
@given(lists)
def test_as_many_planes_as_listed_depths_stand_at_them(depths: tuple[float, ...]) -> None:
    found = ThroughDepths(depths).at(shares(len(depths)))
    np.testing.assert_allclose(found, depths, rtol=1e-12)


@few
@given(lists)
def test_the_curve_rises_everywhere_between_its_ends(depths: tuple[float, ...]) -> None:
    curve = ThroughDepths(depths)
    found = curve.at(shares())
    assert (found.diff() > 0).all()
    assert found.min() >= depths[0] * (1 - 1e-12)
    assert found.max() <= depths[-1] * (1 + 1e-12)
    assert (curve.slope(shares()) > 0).all()


@few
@given(lists)
def test_the_slope_is_the_derivative_also_beyond_the_ends(depths: tuple[float, ...]) -> None:
    curve, h = ThroughDepths(depths), 1e-6
    at = torch.linspace(-0.02, 1.02, 211, dtype=torch.float64)
    expected = (curve.at(at + h) - curve.at(at - h)) / (2 * h)
    torch.testing.assert_close(curve.slope(at), expected, rtol=1e-3, atol=1e-6)


@few
@given(lists)
def test_the_slope_has_no_jumps(depths: tuple[float, ...]) -> None:
    """On both sides of each depth: normals divide densities by it."""
    curve, knots = ThroughDepths(depths), shares(len(depths))
    torch.testing.assert_close(curve.slope(knots - 1e-9), curve.slope(knots + 1e-9), rtol=1e-5, atol=0.0)


def test_between_inner_depths_it_is_a_monotone_cubic_of_disparity() -> None:
    """The oracle has the same slopes but at the ends, which matter in the outermost gaps."""
    depths = (1.5, 1.6, 2.5, 2.7, 4.0, 4.6, 9.0)
    inner = shares()[(shares() > 1 / 6) & (shares() < 5 / 6)]
    expected = 1 / PchipInterpolator(np.linspace(0, 1, 7), 1 / np.array(depths))(inner.numpy())
    np.testing.assert_allclose(ThroughDepths(depths).at(inner), expected, rtol=1e-12)


@pytest.mark.parametrize("count", [2, 5, 65])
def test_listed_uniform_planes_are_uniform(count: int) -> None:
    uniform = UniformInDisparity(1.5, 9.0)
    listed = ThroughDepths(tuple(uniform.at(shares(count)).tolist()))
    torch.testing.assert_close(listed.at(shares()), uniform.at(shares()))
    torch.testing.assert_close(listed.slope(shares()), uniform.slope(shares()))


def test_plain_values_name_their_curve() -> None:
    assert depth_curve(1.0, 2.0, "depth") == UniformInDepth(1.0, 2.0)
    assert depth_curve(1.0, 2.0, "disparity") == UniformInDisparity(1.0, 2.0)
    assert depth_curve(1.0, 2.0, (1.0, 1.2, 2.0)) == ThroughDepths((1.0, 1.2, 2.0))


def test_the_derivative_of_the_curve_flows_through_shares() -> None:
    curve, at = ThroughDepths((1.5, 1.6, 2.5, 9.0)), shares(57).requires_grad_()
    (found,) = torch.autograd.grad(curve.at(at).sum(), at)
    torch.testing.assert_close(found, curve.slope(at.detach()))
