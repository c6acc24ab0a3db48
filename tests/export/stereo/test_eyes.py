"""Viewpoints beside each other: the disparity of known points."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import Camera
from normnex_pl.export.stereo.eyes import Eyes, eye_camera, median_depth, spread_viewpoints
from normnex_pl.geometry.cameras import project
from support.small import cameras, few


@few
@given(
    cameras(), st.floats(0.01, 0.5), st.floats(1, 10), st.floats(0.5, 20), st.floats(-2, 2), st.floats(-2, 2)
)
def test_points_have_the_disparity_of_their_depth(
    camera: Camera, span: float, convergence: float, depth: float, x: float, y: float
) -> None:
    point = camera.c2w[:, 3] + camera.c2w[:, :3] @ torch.tensor([x, y, depth]).double()
    viewpoints = spread_viewpoints(2, span, convergence)
    left, right = (project(one, point) for one in viewpoints.around(camera))
    expected = float(camera.K[0, 0]) * span * (1 / depth - 1 / convergence)
    assert float(left[0] - right[0]) == pytest.approx(expected, abs=1e-6)
    assert float(left[1]) == pytest.approx(float(right[1]), abs=1e-6)  # nothing is raised or lowered
    assert float(left[2]) == pytest.approx(float(right[2]))


@few
@given(cameras(), st.floats(-0.5, 0.5), st.floats(1, 10))
def test_cameras_stay_parallel(camera: Camera, offset: float, convergence: float) -> None:
    moved = eye_camera(camera, offset, convergence)
    assert torch.equal(moved.c2w[:, :3], camera.c2w[:, :3])
    torch.testing.assert_close(moved.c2w[:, 3] - camera.c2w[:, 3], offset * camera.c2w[:, 0])


@few
@given(st.integers(2, 50), st.floats(0.01, 2))
def test_viewpoints_are_spread_evenly_around_the_middle(count: int, span: float) -> None:
    offsets = torch.tensor(spread_viewpoints(count, span, 1.0).offsets, dtype=torch.float64)
    assert len(offsets) == count
    assert float(offsets[-1] - offsets[0]) == pytest.approx(span)
    assert float(offsets.mean()) == pytest.approx(0, abs=1e-9)
    torch.testing.assert_close(offsets.diff(), offsets.diff()[:1].expand(count - 1))


def test_the_convergence_is_the_median_of_what_is_covered() -> None:
    acc = torch.tensor([[1.0, 0.8, 1.0, 0.1]])
    depths = torch.tensor([[2.0, 3.0, 6.0, 1.0]])
    assert median_depth(acc / depths, acc, 1.0, 9.0) == pytest.approx(3.0)
    nothing = torch.zeros(1, 4)
    assert median_depth(nothing, nothing, 1.0, 3.0) == pytest.approx(1.5)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["distance", "convergence"])
def test_eyes_need_positive_numbers(name: str, value: float) -> None:
    with pytest.raises(UserError, match="expected a positive number"):
        Eyes(**{name: value})
