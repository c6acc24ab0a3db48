"""The initialisation of the planes, on photos of one painted plane."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import Camera, View
from normnex_pl.evaluation.metrics import mse_to_psnr
from normnex_pl.geometry.cameras import image_rays, project, sample_image
from normnex_pl.geometry.plane_sweep import MeanOfPhotos, PhotoStatistic, QuantileOfPhotos, sweep_plane
from normnex_pl.training.initialization import PlaneSweep, RandomStart
from support.small import FIELDS, GEOMETRY, few, nex, reference_camera

DEPTH = 3.0
WIDE = replace(GEOMETRY, fx=60.0, fy=60.0, cx=32.0, cy=24.0, width=64, height=48, padding=8)


def paint(points: Tensor) -> Tensor:
    """Return the smooth colours of the points of a plane."""
    x, y, _ = points.unbind(-1)
    return torch.stack([0.5 + 0.3 * torch.sin(12 * x + k) * torch.cos(10 * y - k) for k in range(3)], dim=-1)


def photograph(x: float, y: float) -> View:
    """Return the painted plane from a camera beside the reference camera, with its axes."""
    camera = reference_camera(WIDE)
    c2w = camera.c2w.clone()
    c2w[:, 3] = torch.tensor([x, y, 0.0])
    camera = Camera(camera.K, c2w, camera.width, camera.height)
    rays = image_rays(camera)
    colors = paint(rays.origins + DEPTH * rays.directions)
    return View(f"{x} {y}", camera, (255 * colors).round().to(torch.uint8))


def canvas_truth(depth: float) -> tuple[Tensor, slice]:
    """Return the painting on the canvas of `WIDE`, and the columns and rows that all photos see."""
    padding = WIDE.padding
    columns = torch.arange(WIDE.canvas_width) + 0.5 - WIDE.cx - padding
    rows = torch.arange(WIDE.canvas_height) + 0.5 - WIDE.cy - padding
    x, y = columns[None] / WIDE.fx * depth, rows[:, None] / WIDE.fy * depth
    x, y = torch.broadcast_tensors(x, y)
    return paint(torch.stack([x, y, torch.full_like(x, depth)], dim=-1)), slice(padding + 4, -padding - 4)


VIEWS = [photograph(x, y) for x in (-0.2, 0.0, 0.2) for y in (-0.1, 0.1)]


MEAN = MeanOfPhotos()
STATISTICS = {"mean": MEAN, "median": QuantileOfPhotos(0.5)}
each = pytest.mark.parametrize("statistic", STATISTICS.values(), ids=list(STATISTICS))


def sweep(depth: float, views: list[View] = VIEWS, statistic: PhotoStatistic = MEAN) -> Tensor:
    return sweep_plane(views, depth, WIDE, WIDE.canvas_height, WIDE.canvas_width, statistic)


WHOLE = sweep(DEPTH)


def psnr_inside(depth: float, statistic: PhotoStatistic) -> float:
    truth, inside = canvas_truth(DEPTH)
    difference = (sweep(depth, statistic=statistic) - truth)[inside, inside]
    return float(mse_to_psnr(difference.square().mean()))


@each
def test_the_sweep_shows_the_surface_at_its_depth_and_a_blur_elsewhere(statistic: PhotoStatistic) -> None:
    assert psnr_inside(DEPTH, statistic) > 40
    assert max(psnr_inside(2.0, statistic), psnr_inside(5.0, statistic)) < 28


@pytest.mark.parametrize("statistic", [MEAN, QuantileOfPhotos(0.0)])
def test_a_photo_that_does_not_see_a_point_has_no_say(statistic: PhotoStatistic) -> None:
    dark = photograph(3.0, 0.0)  # sees the right border of the canvas at most
    dark = replace(dark, image=torch.zeros_like(dark.image))
    without = sweep(DEPTH, statistic=statistic)
    with_it = sweep(DEPTH, [*VIEWS, dark], statistic)
    left = slice(WIDE.padding, -WIDE.padding), slice(WIDE.padding, WIDE.canvas_width // 2)
    torch.testing.assert_close(with_it[left], without[left], atol=1e-4, rtol=0)
    assert (with_it - without).abs().max() > 0.05


@few
@given(st.integers(0, len(VIEWS) - 1), st.floats(-0.4, 0.4), st.integers(0, 2**31))
def test_the_quantile_is_the_photo_of_the_nearest_rank_among_those_that_see_the_point(
    rank: int, offset: float, seed: int
) -> None:
    quantile = min(max((rank + offset) / (len(VIEWS) - 1), 0.0), 1.0)
    rng = np.random.default_rng(seed)
    shades = rng.integers(0, 256, len(VIEWS)).astype(np.uint8)
    photos = [
        replace(view, image=torch.full_like(view.image, int(shade)))
        for view, shade in zip(VIEWS, shades, strict=True)
    ]
    row, column = WIDE.canvas_height // 2, WIDE.canvas_width // 2  # all photos see it
    found = sweep(DEPTH, photos, QuantileOfPhotos(quantile))[row, column]
    expected = np.sort(shades)[rank] / 255
    assert found.tolist() == pytest.approx([float(expected)] * 3, abs=1e-6)


def test_what_hides_the_surface_from_a_few_photos_leaves_the_median_alone() -> None:
    hidden = [replace(view, image=torch.zeros_like(view.image)) for view in VIEWS[:2]]
    truth, inside = canvas_truth(DEPTH)
    views = [*hidden, *VIEWS[2:], *VIEWS[:2]]
    error = (sweep(DEPTH, views, QuantileOfPhotos(0.5)) - truth)[inside, inside].abs()
    assert error.mean() < 0.01


@pytest.mark.parametrize("at_once", [1, 5000])
def test_rows_at_a_time_change_nothing(at_once: int) -> None:
    with patch("normnex_pl.geometry.plane_sweep._VALUES_AT_ONCE", at_once):
        torch.testing.assert_close(sweep(DEPTH), WHOLE, atol=1e-4, rtol=0)


@pytest.mark.parametrize("quantile", [-0.1, 1.5])
def test_a_quantile_out_of_range_is_refused(quantile: float) -> None:
    with pytest.raises(UserError, match="expected 0 to 1"):
        QuantileOfPhotos(quantile)


@each
def test_what_no_photo_sees_continues_the_border(statistic: PhotoStatistic) -> None:
    one = [photograph(0.0, 0.0)]
    swept = sweep(DEPTH, one, statistic)
    row = WIDE.canvas_height // 2
    torch.testing.assert_close(swept[row, 0], swept[row, WIDE.padding], atol=1e-5, rtol=0)
    assert torch.isfinite(swept).all()


@few
@given(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.floats(1.5, 9.0))
def test_points_behind_a_photo_or_beside_it_are_not_seen(x: float, y: float, depth: float) -> None:
    view = photograph(x, y)
    rays = image_rays(view.camera)
    points = rays.origins + depth * rays.directions
    colors, seen = sample_image(view.rgb, view.camera, points)
    assert seen.all()
    torch.testing.assert_close(colors, view.rgb, atol=1e-3, rtol=0)
    assert not sample_image(view.rgb, view.camera, 2 * rays.origins - points)[1].any()
    beside = points + torch.tensor([2 * depth, 0, 0])
    assert not sample_image(view.rgb, view.camera, beside)[1].any()
    assert (project(view.camera, beside)[..., 0] > view.camera.width).all()


@pytest.mark.parametrize("kind", FIELDS)
def test_layers_start_with_the_sweep_at_their_own_depths(kind: str) -> None:
    mpi = nex(FIELDS[kind], WIDE)
    others = {name: value.clone() for name, value in mpi.state_dict().items() if "base_color" not in name}
    PlaneSweep()(mpi, VIEWS)
    for layer, depth in enumerate(mpi.layer_depths.tolist()):
        stored = torch.sigmoid(mpi.field.base_color.raw[layer]).movedim(0, -1)
        torch.testing.assert_close(stored, sweep(depth), atol=1e-5, rtol=0)
    assert mpi.field.base_color.raw.requires_grad
    for name, value in others.items():
        torch.testing.assert_close(mpi.state_dict()[name], value, atol=0, rtol=0)


def test_black_and_white_start_where_the_sigmoid_still_learns() -> None:
    mpi = nex(FIELDS["grid"], WIDE)
    for value in (0, 255):
        photos = [replace(view, image=torch.full_like(view.image, value)) for view in VIEWS]
        PlaneSweep()(mpi, photos)
        colors = torch.sigmoid(mpi.field.base_color.raw)
        assert (colors * (1 - colors)).min() > 0.015
        assert (colors - value / 255).abs().max() < 0.03


def test_a_random_start_leaves_the_field_as_it_is() -> None:
    mpi = nex(FIELDS["grid"], WIDE)
    before = mpi.field.base_color.raw.clone()
    RandomStart()(mpi, VIEWS)
    assert torch.equal(mpi.field.base_color.raw, before)


@each
def test_what_a_mask_ignores_has_no_say(statistic: PhotoStatistic) -> None:
    """A thing that moved covers another part of each photo; where masks hide it, others show the surface."""
    views, bare = [], []
    for index, view in enumerate(VIEWS):
        image, mask = view.image.clone(), torch.ones(view.image.shape[:2], dtype=torch.bool)
        columns = slice(8 * index + 4, 8 * index + 12)
        image[10:38, columns], mask[9:39, columns.start - 1 : columns.stop + 1] = 255, False
        views.append(replace(view, image=image, mask=mask))
        bare.append(replace(view, image=image))
    truth, inside = canvas_truth(DEPTH)
    masked, covered = (
        (sweep(DEPTH, some, statistic) - truth)[inside, inside].abs().max() for some in (views, bare)
    )
    assert masked < 0.03
    assert covered > 0.05 or statistic is not MEAN  # the median does without masks, too


def test_what_all_masks_ignore_is_the_mean_of_the_photos() -> None:
    nothing = torch.zeros(WIDE.height, WIDE.width, dtype=torch.bool)
    hidden = [replace(view, mask=nothing) for view in VIEWS]
    torch.testing.assert_close(
        sweep(DEPTH, hidden), torch.stack([sweep(DEPTH, [view]) for view in VIEWS]).mean(dim=0)
    )
