"""Scores after a fit of the colours."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from normnex_pl.evaluation.alignment import align_colors, aligned_metrics
from normnex_pl.evaluation.metrics import psnr
from support.small import few


def picture(seed: int = 0) -> Tensor:
    return 0.2 + 0.5 * torch.rand(24, 30, 3, generator=torch.Generator().manual_seed(seed))


@few
@given(st.integers(0, 99), st.floats(0.5, 1.3))
def test_an_affine_map_of_the_colours_is_taken_back(seed: int, gain: float) -> None:
    truth = picture()
    generator = torch.Generator().manual_seed(seed)
    matrix = gain * torch.eye(3) + 0.1 * torch.rand(3, 3, generator=generator)
    shown = (truth - 0.1 * torch.rand(3, generator=generator)) @ matrix.T
    torch.testing.assert_close(align_colors(shown, truth), truth, atol=1e-4, rtol=0)


def test_the_fit_is_that_of_least_squares() -> None:
    image, truth = picture(1), picture(2)
    columns = torch.cat([image.reshape(-1, 3), torch.ones(720, 1)], dim=1).double()
    solution = torch.linalg.lstsq(columns, truth.reshape(-1, 3).double()).solution
    expected = (columns @ solution).reshape(24, 30, 3).float()
    torch.testing.assert_close(align_colors(image, truth), expected, atol=1e-5, rtol=0)


@few
@given(st.integers(0, 99))
def test_alignment_never_lowers_the_score_of_a_picture(seed: int) -> None:
    image, truth = picture(seed), picture(seed + 1)
    aligned = aligned_metrics(image, truth)["psnr_aligned"]
    assert aligned is not None
    assert aligned >= psnr(image, truth) - 1e-4


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_a_picture_of_one_colour_becomes_the_mean(value: float) -> None:
    truth = picture()
    aligned = align_colors(torch.full_like(truth, value), truth)
    torch.testing.assert_close(aligned, truth.mean(dim=(0, 1)).expand_as(truth), atol=1e-5, rtol=0)
