"""Depths of planes, and where rays meet them, against an explicit intersection in float64."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from normnex_pl.core.types import Camera, MPIGeometry, Rays
from normnex_pl.geometry.cameras import image_rays, pixel_rays, project
from normnex_pl.geometry.planes import canvas_coordinates, layer_depths, plane_depths, planes_ahead
from support.small import GEOMETRY, cameras, canvas_oracle, few, numpy64, reference_camera

# Fields instead of geometries: checking the types of these draws from `random`, which no strategy may.
geometries = st.fixed_dictionaries(
    {
        "fx": st.floats(5, 50),
        "fy": st.floats(5, 50),
        "cx": st.floats(0, 20),
        "cy": st.floats(0, 20),
        "width": st.integers(2, 20),
        "height": st.integers(2, 20),
        "padding": st.integers(0, 10),
        "near": st.floats(1, 3),
        "far": st.floats(4, 50),
        "spacing": st.sampled_from(["depth", "disparity"]),
    }
)


@few
@given(geometries, st.integers(2, 30))
def test_depths_run_front_to_back_with_both_bounds(fields: dict[str, Any], num_planes: int) -> None:
    geometry = MPIGeometry(**fields)
    depths = plane_depths(geometry, num_planes)
    assert len(depths) == num_planes
    assert (depths.diff() > 0).all()
    np.testing.assert_allclose(depths[[0, -1]], [geometry.near, geometry.far], rtol=1e-6)


@few
@given(geometries, st.integers(3, 30))
def test_depths_are_uniform_in_what_the_spacing_says(fields: dict[str, Any], num_planes: int) -> None:
    geometry = MPIGeometry(**fields)
    depths = numpy64(plane_depths(geometry, num_planes))
    uniform, other = depths, 1 / depths
    if geometry.spacing == "disparity":
        uniform, other = other, uniform
    steps = np.diff(uniform)
    np.testing.assert_allclose(steps, steps.mean(), rtol=1e-3)
    assert np.ptp(np.diff(other)) > 0.1 * abs(np.diff(other)).mean()


@few
@given(cameras(max_angle=1.0), geometries)
def test_canvas_coordinates_are_those_of_an_explicit_intersection(
    camera: Camera, fields: dict[str, Any]
) -> None:
    geometry = MPIGeometry(**fields)
    rays = image_rays(camera)
    rays = Rays(rays.origins.reshape(-1, 3), rays.directions.reshape(-1, 3))
    depths = plane_depths(geometry, 4).double()
    expected = canvas_oracle(numpy64(rays.origins), numpy64(rays.directions), depths.numpy(), geometry)
    found = canvas_coordinates(rays, depths, geometry)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7)


@few
@given(cameras(max_angle=0.5), geometries)
def test_canvas_coordinates_agree_with_projection_into_the_reference_camera(
    camera: Camera, fields: dict[str, Any]
) -> None:
    geometry = MPIGeometry(**fields)
    rays = pixel_rays(camera.K, camera.c2w, torch.tensor([[0, 0], [3, 5]]))
    depths = plane_depths(geometry, 3).double()
    reference = reference_camera(geometry)
    reference = Camera(reference.K.double(), reference.c2w.double(), geometry.width, geometry.height)
    t = (depths - rays.origins[:, 2:]) / rays.directions[:, 2:]
    uv = project(reference, rays.origins[:, None] + t[..., None] * rays.directions[:, None])[..., :2]
    size = torch.tensor([geometry.canvas_width, geometry.canvas_height])
    expected = (uv + geometry.padding) / size * 2 - 1
    found = canvas_coordinates(rays, depths, geometry)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_rays_of_the_reference_camera_meet_all_planes_at_one_place() -> None:
    camera = reference_camera()
    rays = pixel_rays(camera.K, camera.c2w, torch.tensor([[0, 0]]))
    found = canvas_coordinates(rays, plane_depths(GEOMETRY, 5), GEOMETRY)
    expected = torch.tensor([2 * 2.5 / 20 - 1, 2 * 2.5 / 16 - 1]).expand(1, 5, 2)
    torch.testing.assert_close(found, expected)


def test_corners_of_the_canvas_are_at_plus_and_minus_one() -> None:
    g = GEOMETRY
    corners = torch.tensor(
        [
            [-g.padding, -g.padding],
            [g.width + g.padding, -g.padding],
            [-g.padding, g.height + g.padding],
            [g.width + g.padding, g.height + g.padding],
        ]
    )
    slopes = (corners - torch.tensor([g.cx, g.cy])) / torch.tensor([g.fx, g.fy])
    rays = Rays(torch.zeros(4, 3), torch.cat([slopes, torch.ones(4, 1)], dim=-1))
    expected = torch.tensor([[-1.0, -1], [1, -1], [-1, 1], [1, 1]])
    torch.testing.assert_close(canvas_coordinates(rays, plane_depths(g, 1), g)[:, 0], expected)


@few
@given(cameras(max_angle=0.5), st.sampled_from(["depth", "disparity"]), st.integers(1, 4))
def test_layers_are_met_at_the_mean_of_their_planes(camera: Camera, spacing: str, sublayers: int) -> None:
    geometry = replace(GEOMETRY, spacing=spacing)
    rays = pixel_rays(camera.K, camera.c2w, torch.tensor([[0, 0], [3, 5]]))
    depths = plane_depths(geometry, 3 * sublayers).double()
    on_planes = canvas_coordinates(rays, depths, geometry)
    on_layers = canvas_coordinates(rays, layer_depths(depths, 3), geometry)
    torch.testing.assert_close(on_layers, on_planes.unflatten(1, (3, sublayers)).mean(dim=2))


def test_layers_of_one_plane_stand_where_the_planes_stand() -> None:
    depths = plane_depths(GEOMETRY, 5)
    torch.testing.assert_close(layer_depths(depths, 5), depths)


def test_layers_are_groups_of_neighbouring_planes() -> None:
    depths = torch.tensor([1.0, 2, 4, 8])
    expected = [1 / ((1 + 1 / 2) / 2), 1 / ((1 / 4 + 1 / 8) / 2)]
    assert layer_depths(depths, 2).tolist() == pytest.approx(expected)


def test_the_canvas_adds_the_offset_on_all_sides() -> None:
    assert (GEOMETRY.canvas_width, GEOMETRY.canvas_height) == (20, 16)


def test_planes_behind_a_camera_that_moved_past_them_are_not_met() -> None:
    depths = torch.tensor([1.0, 2.0, 4.0])
    origins = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 3.0], [0.0, 0.0, 5.0], [0.0, 0.0, 3.0]])
    directions = torch.tensor([[0.1, 0.0, 1.0], [0.0, 0.2, 1.0], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
    expected = torch.tensor(
        [[True, True, True], [False, False, True], [False, False, False], [True, True, False]]
    )
    assert torch.equal(planes_ahead(Rays(origins, directions), depths), expected)
