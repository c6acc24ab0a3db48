"""Pixels and views that a step samples."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from normnex_pl.data.sampling import AllViews, OneView, draw_triplets
from support.small import few


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@few
@given(st.integers(1, 50), st.integers(2, 9), st.integers(2, 9), st.integers(0, 2**32))
def test_triplets_are_l_shaped_and_inside_the_image(count: int, height: int, width: int, seed: int) -> None:
    triplets = draw_triplets(count, height, width, generator(seed))
    assert triplets.shape == (count, 3, 2)
    pixel, right, below = triplets.unbind(1)
    assert (right - pixel == torch.tensor([1, 0])).all()
    assert (below - pixel == torch.tensor([0, 1])).all()
    assert (triplets >= 0).all()
    assert (triplets < torch.tensor([width, height])).all()


def test_every_pixel_but_the_last_corner_is_reached() -> None:
    reached = {tuple(pixel) for pixel in draw_triplets(500, 3, 4, generator()).reshape(-1, 2).tolist()}
    everything = {(column, row) for column in range(4) for row in range(3)}
    assert reached == everything - {(3, 2)}


def test_first_pixels_are_uniform() -> None:
    first = draw_triplets(12_000, 3, 4, generator())[:, 0]
    counts = torch.bincount(3 * first[:, 1] + first[:, 0], minlength=6)
    assert counts.shape == (6,)
    assert (counts - 2000).abs().max() < 200


@few
@given(st.integers(1, 12), st.integers(0, 5), st.integers(0, 5))
def test_one_view_a_step_and_all_of_them_once_an_epoch(num_views: int, epoch: int, seed: int) -> None:
    sampler = OneView()
    seen = []
    for step in range(epoch * num_views, (epoch + 1) * num_views):
        views = sampler.draw(seed, step, 0, 7, num_views, generator(step))
        assert views.shape == (7,)
        assert (views == views[0]).all()
        seen.append(int(views[0]))
    assert sorted(seen) == list(range(num_views))


def test_one_view_orders_differ_between_epochs_and_seeds() -> None:
    def order(seed: int, epoch: int) -> tuple[int, ...]:
        steps = range(9 * epoch, 9 * (epoch + 1))
        return tuple(int(OneView().draw(seed, step, 0, 1, 9, generator())[0]) for step in steps)

    assert len({order(0, epoch) for epoch in range(5)}) == 5
    assert order(0, 0) != order(1, 0)
    assert order(0, 3) == order(0, 3)


@few
@given(st.integers(1, 12), st.integers(0, 30), st.integers(0, 5))
def test_ranks_see_different_views_of_which_each_has_all_in_an_epoch(
    num_views: int, step: int, seed: int
) -> None:
    def view(rank: int, step: int) -> int:
        return int(OneView().draw(seed, step, rank, 1, num_views, generator())[0])

    assert sorted(view(rank, step) for rank in range(num_views)) == list(range(num_views))
    epoch = range(num_views)
    for rank in (1, num_views + 1):
        assert sorted(view(rank, step) for step in epoch) == list(epoch)


def test_all_views_are_mixed_evenly_in_each_step() -> None:
    for step in range(3):
        views = AllViews().draw(0, step, 0, 3000, 5, generator(step))
        counts = torch.bincount(views, minlength=5)
        assert counts.shape == (5,)
        assert (counts - 600).abs().max() < 100
