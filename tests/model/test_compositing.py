"""Compositing, against examples worked by hand, a loop in float64, and its own laws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from normnex_pl.model.compositing import composite, composite_weights, expected_depth, transmittance
from support.small import composite_oracle, few, numpy64

unit = st.floats(0, 1)
alphas = st.lists(unit, min_size=1, max_size=8).map(lambda values: torch.tensor(values, dtype=torch.float64))


def random_colors(count: int) -> Tensor:
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def over(alpha: Tensor, colors: Tensor) -> Tensor:
    return composite(composite_weights(alpha), colors)


def test_three_planes_worked_by_hand() -> None:
    """A quarter of red, over a half of green, over opaque blue."""
    alpha = torch.tensor([0.25, 0.5, 1])
    torch.testing.assert_close(transmittance(alpha), torch.tensor([1, 0.75, 0.375]))
    torch.testing.assert_close(composite_weights(alpha), torch.tensor([0.25, 0.375, 0.375]))
    colors = torch.tensor([[0.8, 0, 0], [0, 0.4, 0], [0, 0, 1]])
    torch.testing.assert_close(over(alpha, colors), torch.tensor([0.2, 0.15, 0.375]))
    depth = expected_depth(composite_weights(alpha), torch.tensor([1.0, 2, 4]))
    torch.testing.assert_close(depth, torch.tensor(0.25 + 0.75 + 1.5))


@few
@given(alphas)
def test_compositing_is_painting_from_the_back(alpha: Tensor) -> None:
    colors = random_colors(len(alpha))
    color, weights = composite_oracle(numpy64(alpha), numpy64(colors))
    np.testing.assert_allclose(composite_weights(alpha), weights, atol=1e-5)
    np.testing.assert_allclose(over(alpha, colors), color, atol=1e-5)


@few
@given(alphas)
def test_weights_sum_to_what_does_not_pass(alpha: Tensor) -> None:
    expected = 1 - (1 - alpha).prod()
    assert composite_weights(alpha).sum().item() == pytest.approx(expected.item(), abs=1e-5)


@few
@given(alphas, st.integers(0, 8))
def test_a_transparent_plane_changes_nothing(alpha: Tensor, position: int) -> None:
    position = min(position, len(alpha))
    colors = random_colors(len(alpha))
    with_plane = torch.cat([alpha[:position], alpha.new_zeros(1), alpha[position:]])
    with_color = torch.cat([colors[:position], torch.full((1, 3), 0.7).double(), colors[position:]])
    torch.testing.assert_close(over(with_plane, with_color), over(alpha, colors))


@few
@given(alphas, alphas)
def test_an_opaque_plane_hides_everything_behind_it(front: Tensor, behind: Tensor) -> None:
    front = torch.cat([front, front.new_ones(1)])
    colors = random_colors(len(front) + len(behind))
    hidden = over(torch.cat([front, behind]), colors)
    torch.testing.assert_close(hidden, over(front, colors[: len(front)]), rtol=0, atol=1e-5)


@few
@given(alphas, unit)
def test_what_lies_behind_comes_through_by_the_transmittance(alpha: Tensor, last: float) -> None:
    longer = torch.cat([alpha, alpha.new_tensor([last])])
    assert transmittance(longer)[-1].item() == pytest.approx((1 - alpha).prod().item(), abs=1e-5)


def test_rays_do_not_touch_each_other() -> None:
    generator = torch.Generator().manual_seed(0)
    alpha = torch.rand(4, 5, 6, generator=generator)
    weights = composite_weights(alpha)
    assert weights.shape == (4, 5, 6)
    for i in range(4):
        for j in range(5):
            torch.testing.assert_close(weights[i, j], composite_weights(alpha[i, j]))


@pytest.mark.parametrize("extreme", [0.0, 1e-4, 0.5, 1 - 1e-4])
def test_gradients_are_those_of_finite_differences(extreme: float) -> None:
    alpha = torch.tensor([[0.3, extreme, 0.6, extreme]], dtype=torch.float64, requires_grad=True)
    colors = random_colors(4)[None].requires_grad_()
    assert torch.autograd.gradcheck(over, (alpha, colors))
    depths = torch.tensor([1.0, 2, 3, 5], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda a: expected_depth(composite_weights(a), depths), (alpha,))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite_where_planes_are_opaque(dtype: torch.dtype) -> None:
    alpha = torch.tensor([[0.5, 1, 1, 0.2], [1, 1, 1, 1], [0, 0, 0, 0]], dtype=dtype, requires_grad=True)
    colors = random_colors(4).to(dtype)
    depths = torch.tensor([1.0, 2, 3, 5], dtype=dtype)
    weights = composite_weights(alpha)
    loss = composite(weights, colors.expand(3, 4, 3)).square().sum() + expected_depth(weights, depths).sum()
    loss.backward()
    assert alpha.grad is not None
    assert alpha.grad.isfinite().all()


def test_a_ray_that_hits_nothing_is_as_deep_as_the_far_plane() -> None:
    depths = torch.tensor([1.0, 2, 5])
    assert expected_depth(torch.zeros(2, 3), depths).tolist() == [5, 5]


def test_a_ray_that_hits_one_plane_is_as_deep_as_that_plane_however_faint_it_is() -> None:
    depths = torch.tensor([1.0, 2, 5])
    assert expected_depth(torch.tensor([0, 0.01, 0]), depths).item() == pytest.approx(2)


@few
@given(alphas)
def test_expected_depth_lies_between_the_bounds(alpha: Tensor) -> None:
    depths = torch.linspace(2, 7, len(alpha), dtype=torch.float64)
    depth = expected_depth(composite_weights(alpha), depths).item()
    assert depths[0].item() - 1e-9 <= depth <= depths[-1].item() + 1e-9
