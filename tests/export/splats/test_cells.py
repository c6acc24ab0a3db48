"""Cells of a layer: planes that are composited, neighbours that are joined."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from normnex_pl.export.splats.cells import Cells, Tolerance, group_planes, join_neighbours
from support.small import few

DISPARITIES = torch.tensor([1.0, 0.98, 0.5, 0.1])


def random_planes(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw opacities of four planes, half of them clear, weights and colours."""
    generator = torch.Generator().manual_seed(seed)
    alpha = torch.rand(4, 5, 6, generator=generator) * (torch.rand(4, 5, 6, generator=generator) > 0.5)
    return alpha, alpha, torch.rand(5, 6, 3, generator=generator)


@few
@given(st.integers(0, 1000), st.sampled_from([0.0, 0.05, 0.6, 2.0]))
def test_groups_together_are_as_opaque_as_the_planes(seed: int, spread: float) -> None:
    alpha, weight, color = random_planes(seed)
    groups = group_planes(alpha, weight, DISPARITIES, color, spread)
    light = torch.stack([1 - cells.alpha for cells in groups]).prod(dim=0)
    torch.testing.assert_close(light, (1 - alpha).prod(dim=0))


@few
@given(st.integers(0, 1000))
def test_planes_far_apart_stay_apart_and_near_ones_are_joined(seed: int) -> None:
    alpha, weight, color = random_planes(seed)
    groups = group_planes(alpha, weight, DISPARITIES, color, 0.05)
    for cells in groups:
        shown = cells.disparity[cells.shown]
        near = (shown >= 0.98 - 1e-6) & (shown <= 1 + 1e-6)
        assert bool((near | ((shown - 0.5).abs() < 1e-6) | ((shown - 0.1).abs() < 1e-6)).all())
    count = sum(cells.shown.int() for cells in groups)
    opaque = alpha > 0
    expected = (opaque[0] | opaque[1]).int() + opaque[2].int() + opaque[3].int()
    assert torch.equal(count, expected)


def test_groups_lie_front_to_back_at_every_place() -> None:
    alpha, weight, color = random_planes(3)
    groups = group_planes(alpha, weight, DISPARITIES, color, 0.0)
    for front, back in pairwise(groups):
        both = front.shown & back.shown
        assert bool((front.disparity[both] > back.disparity[both]).all())
        assert not bool((back.shown & ~front.shown).any())


def cells_of(height: int, width: int) -> Cells:
    ones = torch.ones(height, width)
    return Cells(0.5 * ones, ones, ones, torch.full((height, width, 3), 0.5))


def covered(levels: list[Cells], height: int, width: int) -> Tensor:
    """Count how many cells lie over each cell of the finest grid."""
    total = torch.zeros(height, width, dtype=torch.int)
    for level, cells in enumerate(levels):
        side = 2**level
        wide = cells.shown.int().repeat_interleave(side, 0).repeat_interleave(side, 1)[:height, :width]
        total[: wide.shape[0], : wide.shape[1]] += wide
    return total


TIGHT = Tolerance(0.01, 0.01, 0.01)


@few
@given(st.integers(0, 1000), st.integers(4, 17), st.integers(4, 17), st.integers(0, 4))
def test_joined_cells_cover_what_the_finest_ones_did_once(
    seed: int, height: int, width: int, levels: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    shown = torch.rand(height, width, generator=generator) > 0.3
    rough = torch.rand(height, width, 1, generator=generator) > 0.9
    plain = cells_of(height, width)
    cells = Cells(plain.alpha * shown, plain.disparity, plain.weight, plain.color + 0.3 * rough)
    joined = join_neighbours(cells, TIGHT, levels)
    assert len(joined) <= levels + 1
    assert torch.equal(covered(joined, height, width), shown.int())


def test_alike_cells_become_few_and_different_ones_stay() -> None:
    joined = join_neighbours(cells_of(8, 8), TIGHT, 3)
    assert [int(cells.shown.sum()) for cells in joined] == [0, 0, 0, 1]
    for field, change in (("alpha", 0.2), ("disparity", 0.2), ("color", 0.2)):
        parts = vars(cells_of(8, 8)) | {}
        parts[field] = parts[field].clone()
        parts[field][0, 0] += change
        joined = join_neighbours(Cells(**parts), TIGHT, 3)
        assert [int(cells.shown.sum()) for cells in joined] == [4, 3, 3], field


def test_what_weighs_little_is_joined_in_spite_of_its_colours() -> None:
    plain = cells_of(2, 2)
    color = plain.color.clone()
    color[0, 0] += 0.2
    for weight, expected in ((1.0, [4]), (0.01, [0, 1])):
        cells = Cells(plain.alpha, plain.disparity, weight * plain.weight, color)
        joined = join_neighbours(cells, TIGHT, 1)
        assert [int(one.shown.sum()) for one in joined] == expected
        if expected == [0, 1]:
            assert float(joined[1].color[0, 0, 0]) == pytest.approx(0.55)
