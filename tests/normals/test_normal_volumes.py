"""Baked volumes and depth images, from which some estimators read normals: against libraries and by hand."""

from __future__ import annotations

from collections.abc import Callable

import kornia
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from normnex_pl.core.errors import UserError
from normnex_pl.core.rendering import PlaneSamples
from normnex_pl.core.types import RayBatch, Rays
from normnex_pl.geometry.planes import canvas_grid, canvas_points, plane_depths
from normnex_pl.normals import FilteredDepth, NormalEstimator, TransmittanceGradient
from normnex_pl.normals.canvas import bake_alpha, central_difference, gaussian_blur, median_depth_index
from normnex_pl.normals.filtered_depth import depth_normals, filter_disparity
from support.small import FIELDS, GEOMETRY, LAYERS, forward_rays, make_mpi
from support.solids import WIDE, TiltedPlane, points_on

CPU = torch.device("cpu")
every_field = pytest.mark.parametrize("kind", FIELDS)


class TestVolumes:
    @every_field
    @pytest.mark.parametrize("divisor", [1, 2, 5])
    def test_baked_opacities_are_the_fields_at_the_centres_of_cells(self, kind: str, divisor: int) -> None:
        mpi = make_mpi(kind)
        baked = bake_alpha(mpi, divisor)
        height, width = GEOMETRY.canvas_height // divisor, GEOMETRY.canvas_width // divisor
        assert baked.shape == (len(mpi.depths), height, width)
        for row, column in [(0, 0), (height - 1, 0), (height // 2, width - 1)]:
            place = torch.tensor([(2 * column + 1) / width - 1, (2 * row + 1) / height - 1])
            samples = PlaneSamples(place.expand(1, len(mpi.depths), 2), place.expand(1, LAYERS, 2))
            expected = mpi.field(samples).alpha[0]
            torch.testing.assert_close(baked[:, row, column], expected, rtol=1e-3, atol=1e-5)

    @pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
    def test_the_gaussian_is_scipys(self, sigma: float) -> None:
        values = torch.rand(3, 4, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        expected = gaussian_filter1d(values.numpy(), sigma, mode="nearest", truncate=3)
        np.testing.assert_allclose(gaussian_blur(values, sigma), expected, atol=1e-12)
        assert gaussian_blur(values, 0.0) is values

    def test_differences_are_numpys(self) -> None:
        values = torch.rand(3, 5, generator=torch.Generator().manual_seed(0))
        np.testing.assert_allclose(central_difference(values), np.gradient(values.numpy(), axis=1), atol=1e-6)
        assert (central_difference(values[:, :1]) == 0).all()

    @pytest.mark.parametrize(
        ("weights", "expected"),
        [
            ([1.0, 0, 0, 0], 0.0),
            ([0, 0, 1.0, 0], 2.0),
            ([0, 0, 0, 0.2], 3.0),
            ([0, 0.5, 0.5, 0], 1.5),  # the border of two planes lies in the middle between them
            ([0.2, 0.2, 0.2, 0], 1.0),
            ([0.1, 0.3, 0.6, 0], 2 + 1 / 6 - 0.5),
            ([0, 0.25, 0, 0.75], 3 + 1 / 3 - 0.5),
            ([0, 0, 0, 0], 3.0),
            ([0.9, 0, 0, 0.1], 5 / 9 - 0.5),
        ],
    )
    def test_the_median_depth_worked_by_hand(self, weights: list[float], expected: float) -> None:
        found = median_depth_index(torch.tensor(weights, dtype=torch.float32)[:, None])
        assert found.shape == (1,)
        assert found.item() == pytest.approx(max(0.0, expected), abs=1e-5)

    def test_a_few_per_cent_elsewhere_hardly_move_the_median(self) -> None:
        surface = torch.tensor([0, 0, 1.0, 0, 0, 0, 0, 0])
        floater = torch.tensor([0.1, 0, 0.9, 0, 0, 0, 0, 0])
        moved = median_depth_index(floater[:, None]) - median_depth_index(surface[:, None])
        assert moved.abs().item() < 0.1


class TestDepthImages:
    def depth_of(self, plane: TiltedPlane, height: int, width: int) -> Tensor:
        """Return the depths at which the reference camera sees a plane, on a grid of the canvas."""
        grid = canvas_grid(height, width, CPU)
        directions = canvas_points(grid, torch.ones(height, width), WIDE)
        rays = Rays(torch.zeros_like(directions), directions)
        return points_on(rays, plane.distances(rays))[..., 2]

    @pytest.mark.parametrize("divisor", [1, 2, 4])
    def test_normals_of_a_plane_are_exact_up_to_the_border(self, divisor: int) -> None:
        plane = TiltedPlane()
        height, width = WIDE.canvas_height // divisor, WIDE.canvas_width // divisor
        found = depth_normals(self.depth_of(plane, height, width), WIDE)
        torch.testing.assert_close(found, plane.normal.expand_as(found), rtol=0, atol=1e-4)

    def test_normals_are_kornias_turned_to_the_camera(self) -> None:
        """There, pixel centres are whole, and normals point away; and it blurs across a difference."""
        height, width = WIDE.canvas_height, WIDE.canvas_width
        grid = canvas_grid(height, width, CPU)
        depth = 3.5 + 0.3 * torch.sin(2.5 * grid[..., 0] + grid[..., 1]) + 0.2 * torch.cos(2 * grid[..., 1])
        cx, cy = WIDE.cx + WIDE.padding - 0.5, WIDE.cy + WIDE.padding - 0.5
        K = torch.tensor([[WIDE.fx, 0, cx], [0, WIDE.fy, cy], [0, 0, 1]])
        expected = -kornia.geometry.depth.depth_to_normals(depth[None, None], K[None])[0].movedim(0, -1)
        found = depth_normals(depth, WIDE)
        inside = (slice(2, -2), slice(2, -2))
        cosine = (found * expected).sum(dim=-1)[inside].clamp(-1, 1)
        assert torch.rad2deg(cosine.acos()).max() < 0.3
        assert (1 - found[..., 2].abs()).max() > 0.2  # far from a wall
        assert (found[..., 2] < 0).all()

    @pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
    def test_a_line_of_depths_has_no_slope(self, shape: tuple[int, int]) -> None:
        found = depth_normals(torch.rand(shape) + 1, WIDE)
        assert torch.equal(found, torch.tensor([0.0, 0, -1]).expand_as(found))

    def test_filters_leave_a_plane_as_it_is(self) -> None:
        """Its disparity is linear over the image."""
        disparity = 1 / self.depth_of(TiltedPlane(), 36, 48)
        filtered = filter_disparity(disparity, median=5, blur=2.0)
        inside = (slice(9, -9), slice(9, -9))
        torch.testing.assert_close(filtered[inside], disparity[inside], rtol=0, atol=1e-5)

    def test_the_median_removes_what_stands_out(self) -> None:
        disparity = torch.full((20, 20), 0.3)
        disparity[7, 9], disparity[12, 3] = 5.0, -2.0
        filtered = filter_disparity(disparity, median=5, blur=0.0)[2:-2, 2:-2]
        torch.testing.assert_close(filtered, torch.full_like(filtered, 0.3))
        assert filter_disparity(disparity, median=1, blur=0.0).max() == 5

    def test_a_picture_smaller_than_the_blur_is_left_sharp(self) -> None:
        disparity = torch.rand(4, 9, generator=torch.Generator().manual_seed(0))
        assert torch.equal(filter_disparity(disparity, 1, 2.0), disparity)


def test_the_wide_volumes_are_front_to_back() -> None:
    """Check the oracle: points behind a plane are those at larger depths on its rays."""
    depths = plane_depths(WIDE, 5)
    points = canvas_points(torch.zeros(5, 2), depths, WIDE)
    assert (TiltedPlane().signed_distances(points).diff() > 0).all()
    torch.testing.assert_close(
        TiltedPlane(0.0, 0.0, 3.0).signed_distances(points), depths - 3, rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("estimator", [FilteredDepth(divisor=1), TransmittanceGradient(divisor=1)])
def test_mixed_precision_does_not_round_targets(estimator: NormalEstimator) -> None:
    """Training refreshes them under autocast, evaluation without it."""
    mpi = make_mpi("grid")
    rays = forward_rays(30)
    triplets = Rays(rays.origins.unflatten(0, (-1, 3)), rays.directions.unflatten(0, (-1, 3)))
    batch = RayBatch(triplets, torch.zeros(10, 3, 3))
    rendered = mpi.render(rays)
    estimator.refresh(mpi)
    expected = estimator(mpi, batch, rendered)
    with torch.autocast("cpu", torch.bfloat16):
        estimator.refresh(mpi)
        found = estimator(mpi, batch, rendered)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda: FilteredDepth(divisor=0), "found 0"),
        (lambda: FilteredDepth(every=0), "found 2 and 0"),
        (lambda: FilteredDepth(median=4), "found 4"),
        (lambda: TransmittanceGradient(every=-1), "and -1"),
    ],
)
def test_arguments_out_of_range_are_refused(make: Callable[[], NormalEstimator], found: str) -> None:
    with pytest.raises(UserError, match=found):
        make()
