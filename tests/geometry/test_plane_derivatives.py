"""Between planes: spacing, depths of real indices, and derivatives in space, against autograd in float64."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from normnex_pl.core.types import MPIGeometry, PlaneSpacing, Rays
from normnex_pl.geometry.layout import PlaneLayout
from normnex_pl.geometry.planes import (
    canvas_coordinates,
    canvas_points,
    metric_gradient,
    plane_depths,
    plane_points,
)
from support.small import GEOMETRY, few, forward_rays

PLANES = 9
LISTED = (GEOMETRY.near, 1.6, 2.5, 2.7, 4.0, 4.6, GEOMETRY.far)
either_spacing = pytest.mark.parametrize("spacing", ["depth", "disparity"])
any_spacing = pytest.mark.parametrize(
    "spacing", ["depth", "disparity", LISTED], ids=["depth", "disparity", "listed"]
)
either = st.sampled_from(["depth", "disparity"])


def spaced(spacing: PlaneSpacing) -> MPIGeometry:
    return replace(GEOMETRY, spacing=spacing)


def layout(spacing: PlaneSpacing) -> PlaneLayout:
    return PlaneLayout(spaced(spacing), PLANES, 1)


def real_indices() -> Tensor:
    return torch.linspace(-0.4, PLANES - 0.6, 23, dtype=torch.float64)


def canvas_of(points: Tensor, geometry: MPIGeometry) -> Tensor:
    """Return canvas x and y and the real plane index of points [..., 3] of the reference frame."""
    X, Y, Z = points.unbind(dim=-1)
    u = geometry.fx * X / Z + geometry.cx + geometry.padding
    v = geometry.fy * Y / Z + geometry.cy + geometry.padding
    if geometry.spacing == "disparity":
        share = (1 / geometry.near - 1 / Z) / (1 / geometry.near - 1 / geometry.far)
    else:
        share = (Z - geometry.near) / (geometry.far - geometry.near)
    x, y = 2 * u / geometry.canvas_width - 1, 2 * v / geometry.canvas_height - 1
    return torch.stack([x, y, share * (PLANES - 1)], dim=-1)


def some_function(canvas: Tensor, phases: tuple[float, ...]) -> Tensor:
    """Evaluate a smooth function of canvas x, canvas y and plane index."""
    x, y, index = canvas.unbind(dim=-1)
    a, b, c = phases
    return torch.sin(2 * x + a) * torch.cos(3 * y + b) + torch.sin(0.4 * index + x + c)


@any_spacing
def test_whole_indices_are_the_planes(spacing: PlaneSpacing) -> None:
    depths = layout(spacing).depth_at(torch.arange(PLANES).float())
    torch.testing.assert_close(depths, plane_depths(spaced(spacing), PLANES))


@any_spacing
def test_spacing_is_the_derivative_of_the_depth_by_the_index(spacing: PlaneSpacing) -> None:
    index = real_indices().requires_grad_()
    depths = layout(spacing).depth_at(index)
    (by_index,) = torch.autograd.grad(depths.sum(), index)
    torch.testing.assert_close(layout(spacing).spacing_at(index.detach()), by_index)
    at_planes = layout(spacing).spacing_at(torch.arange(PLANES, dtype=torch.float64))
    torch.testing.assert_close(layout(spacing).spacing, at_planes.float())


@either_spacing
def test_indices_between_planes_are_uniform_in_what_the_spacing_says(spacing: PlaneSpacing) -> None:
    depths = layout(spacing).depth_at(real_indices())
    uniform = depths if spacing == "depth" else 1 / depths
    steps = uniform.diff()
    torch.testing.assert_close(steps, steps.mean().expand_as(steps))


@any_spacing
def test_a_single_plane_has_the_whole_range_for_itself(spacing: PlaneSpacing) -> None:
    single = PlaneLayout(spaced(spacing), 1, 1)
    found = single.spacing
    assert found.isfinite().all()
    assert (found > 0).all()
    torch.testing.assert_close(single.depth_at(torch.zeros(1)), single.depths)


@few
@given(
    either,
    st.tuples(*[st.floats(-3, 3)] * 3),
    st.floats(-0.9, 0.9),
    st.floats(-0.9, 0.9),
    st.floats(0, PLANES - 1),
)
def test_derivatives_in_space_are_those_of_the_projection(
    spacing: PlaneSpacing, phases: tuple[float, ...], x: float, y: float, place: float
) -> None:
    """A function of canvas and index is one of X, Y, Z: autograd through the projection is the oracle."""
    geometry = spaced(spacing)
    index = torch.tensor([place], dtype=torch.float64)
    depths = layout(spacing).depth_at(index)
    coordinates = torch.tensor([[x, y]], dtype=torch.float64)
    points = canvas_points(coordinates, depths, geometry).requires_grad_()
    (expected,) = torch.autograd.grad(some_function(canvas_of(points, geometry), phases).sum(), points)

    canvas = torch.cat([coordinates, index[:, None]], dim=-1).requires_grad_()
    (by_canvas,) = torch.autograd.grad(some_function(canvas, phases).sum(), canvas)
    spacings = layout(spacing).spacing_at(index)
    found = metric_gradient(by_canvas, coordinates, depths, spacings, geometry)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-9)


@any_spacing
def test_derivatives_in_space_undo_the_jacobian_of_canvas_and_index(
    spacing: PlaneSpacing,
) -> None:
    """Autograd through canvas and index to points is the oracle: its Jacobian is inverted."""
    geometry, generator = spaced(spacing), torch.Generator().manual_seed(0)
    places = torch.rand(20, 3, generator=generator, dtype=torch.float64) * 2 - 1
    places[:, 2] = (places[:, 2] + 1) / 2 * (PLANES - 1)

    def point(canvas: Tensor) -> Tensor:
        return canvas_points(canvas[:2], layout(spacing).depth_at(canvas[2]), geometry)

    by_canvas = torch.randn(20, 3, generator=generator, dtype=torch.float64)
    jacobians = torch.stack([torch.autograd.functional.jacobian(point, place) for place in places])
    expected = torch.linalg.solve(jacobians.mT, by_canvas)
    depths, spacings = layout(spacing).depth_at(places[:, 2]), layout(spacing).spacing_at(places[:, 2])
    found = metric_gradient(by_canvas, places[:, :2], depths, spacings, geometry)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-9)


@either_spacing
def test_off_the_axis_the_canvas_is_no_metric_space(spacing: PlaneSpacing) -> None:
    """Differentiate the distance to a point: the gradient points away from it, seen from anywhere."""
    geometry = spaced(spacing)
    centre = torch.tensor([0.9, -0.5, 4.0], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    points = centre + torch.randn(20, 3, generator=generator, dtype=torch.float64)
    canvas = canvas_of(points, geometry).requires_grad_()
    coordinates, index = canvas[:, :2], canvas[:, 2]
    depths = layout(spacing).depth_at(index)
    distance = (canvas_points(coordinates, depths, geometry) - centre).norm(dim=-1)
    (by_canvas,) = torch.autograd.grad(distance.sum(), canvas)
    depths = depths.detach()
    spacings = layout(spacing).spacing_at(index.detach())
    found = metric_gradient(by_canvas, coordinates.detach(), depths, spacings, geometry)
    expected = torch.nn.functional.normalize(points - centre, dim=-1)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-9)

    def angles(vectors: Tensor) -> Tensor:
        cosine = torch.nn.functional.cosine_similarity(vectors, expected, dim=-1)
        return torch.rad2deg(cosine.clamp(-1, 1).acos())

    on_axis = metric_gradient(by_canvas, torch.zeros_like(coordinates), depths, spacings, geometry)
    assert angles(on_axis).mean() > 1
    assert angles(by_canvas).mean() > 10


@few
@given(either, st.integers(0, 50))
def test_points_on_planes_lead_back_to_their_canvas_coordinates(spacing: PlaneSpacing, seed: int) -> None:
    geometry = spaced(spacing)
    rays = forward_rays(6, seed)
    rays = Rays(rays.origins.double(), rays.directions.double())
    depths = plane_depths(geometry, PLANES).double()
    points = plane_points(rays, depths)
    coordinates = canvas_coordinates(rays, depths, geometry)
    assert points.shape == (6, PLANES, 3)
    torch.testing.assert_close(points, canvas_points(coordinates, depths.expand(6, -1), geometry))
    torch.testing.assert_close(points[..., 2], depths.expand(6, -1))
    along = torch.linalg.cross(points - rays.origins[:, None], rays.directions[:, None].expand_as(points))
    assert along.abs().max() < 1e-9


def test_points_of_the_canvas_worked_by_hand() -> None:
    """The principal point is on the axis; the left border is 8.3 + 2 pixels beside it at a focal of 30."""
    g = GEOMETRY
    centre = [2 * (g.cx + g.padding) / g.canvas_width - 1, 2 * (g.cy + g.padding) / g.canvas_height - 1]
    coordinates = torch.tensor([centre, [-1.0, centre[1]]])
    expected = torch.tensor([[0.0, 0, 5], [-5 * 10.3 / 30, 0, 5]])
    found = canvas_points(coordinates, torch.tensor([5.0, 5.0]), g)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_points_of_rays_of_any_shape() -> None:
    rays = forward_rays(6)
    depths = plane_depths(GEOMETRY, PLANES)
    grouped = Rays(rays.origins.unflatten(0, (2, 3)), rays.directions.unflatten(0, (2, 3)))
    torch.testing.assert_close(plane_points(grouped, depths).flatten(0, 1), plane_points(rays, depths))
