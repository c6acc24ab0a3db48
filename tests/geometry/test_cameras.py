"""Rays through pixels and projection, against the pinhole model written out."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from normnex_pl.core.types import Camera, Rays
from normnex_pl.geometry.cameras import image_rays, join_image, pixel_rays, project
from support.small import cameras, few, numpy64


def test_a_ray_worked_by_hand() -> None:
    """A camera at (1, 2, 3), turned to the right: it looks along x of the world, its right side is -z."""
    K = torch.tensor([[4.0, 0, 2], [0, 5, 1], [0, 0, 1]])
    c2w = torch.tensor([[0.0, 0, 1, 1], [0, 1, 0, 2], [-1, 0, 0, 3]])
    rays = pixel_rays(K, c2w, torch.tensor([5, 3]))
    torch.testing.assert_close(rays.origins, torch.tensor([1.0, 2, 3]))
    torch.testing.assert_close(rays.directions, torch.tensor([1, 2.5 / 5, -3.5 / 4]))


def test_projection_worked_by_hand() -> None:
    K = torch.tensor([[4.0, 0.5, 2], [0, 5, 1], [0, 0, 1]])
    c2w = torch.tensor([[0.0, 0, 1, 1], [0, 1, 0, 2], [-1, 0, 0, 3]])
    point = torch.tensor([3.0, 3, 2])  # in the camera: 1 to the right, 1 down, 2 in front
    u = (4 * 1 + 0.5 * 1) / 2 + 2
    v = 5 * 1 / 2 + 1
    torch.testing.assert_close(project(Camera(K, c2w, 8, 6), point), torch.tensor([u, v, 2.0]))


def test_the_centre_of_the_first_pixel_lies_at_one_half() -> None:
    """Put the principal point there: its ray is the optical axis."""
    K = torch.tensor([[7.0, 0, 0.5], [0, 7, 0.5], [0, 0, 1]])
    rays = pixel_rays(K, torch.eye(3, 4), torch.tensor([0, 0]))
    assert rays.directions.tolist() == [0, 0, 1]


def test_points_behind_the_camera_have_negative_depth() -> None:
    camera = Camera(torch.eye(3), torch.eye(3, 4), 1, 1)
    assert project(camera, torch.tensor([0.0, 0, -2]))[2] == -2


@few
@given(cameras(), st.floats(0.1, 10))
def test_points_on_rays_project_back_to_pixel_centres_at_their_depth(camera: Camera, depth: float) -> None:
    rays = image_rays(camera)
    projected = numpy64(project(camera, rays.origins + depth * rays.directions))
    rows, columns = np.indices((camera.height, camera.width))
    np.testing.assert_allclose(projected[..., 0], columns + 0.5, atol=1e-8)
    np.testing.assert_allclose(projected[..., 1], rows + 0.5, atol=1e-8)
    np.testing.assert_allclose(projected[..., 2], depth, atol=1e-8)


@few
@given(cameras(), st.integers(1, 50))
def test_rays_in_parts_are_the_picture_again(camera: Camera, count: int) -> None:
    rays = image_rays(camera)
    parts = rays.split(count)
    assert max(len(part.origins) for part in parts) <= count
    shown = [{"direction": part.directions, "x": part.directions[:, 0]} for part in parts]
    joined = join_image(camera, shown)
    assert torch.equal(joined["direction"], rays.directions)
    assert torch.equal(joined["x"], rays.directions[..., 0])
    assert torch.equal(torch.cat([part.origins for part in parts]), rays.origins.flatten(0, 1))


@few
@given(cameras())
def test_projection_is_the_textbooks(camera: Camera) -> None:
    """K [R | t] X with R and t from world to camera."""
    K, c2w = numpy64(camera.K), numpy64(camera.c2w)
    w2c = np.linalg.inv(np.vstack([c2w, [0, 0, 0, 1]]))[:3]
    in_camera = np.random.default_rng(0).uniform([-1, -1, 0.5], [1, 1, 3], (6, 3))
    points = in_camera @ c2w[:, :3].T + c2w[:, 3]
    uvw = (K @ w2c @ np.concatenate([points, np.ones((6, 1))], axis=1).T).T
    projected = project(camera, torch.from_numpy(points))
    np.testing.assert_allclose(projected[:, :2], uvw[:, :2] / uvw[:, 2:], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(projected[:, 2], uvw[:, 2], rtol=1e-9)


@few
@given(cameras())
def test_image_rays_are_laid_out_as_rows_of_columns(camera: Camera) -> None:
    rays = image_rays(camera)
    assert rays.origins.shape == rays.directions.shape == (camera.height, camera.width, 3)
    for row, column in {(0, 0), (camera.height - 1, 0), (0, camera.width - 1)}:
        one = pixel_rays(camera.K, camera.c2w, torch.tensor([column, row]))
        torch.testing.assert_close(rays.directions[row, column], one.directions)
        torch.testing.assert_close(rays.origins[row, column], one.origins)


@few
@given(cameras())
def test_viewdirs_are_unit_and_point_away_from_the_camera(camera: Camera) -> None:
    rays = image_rays(camera)
    viewdirs = rays.viewdirs
    np.testing.assert_allclose(np.linalg.norm(viewdirs, axis=-1), 1, rtol=1e-12)
    assert (project(camera, rays.origins + viewdirs)[..., 2] > 0).all()
    lengths = (rays.directions * viewdirs).sum(-1, keepdim=True)
    torch.testing.assert_close(viewdirs * lengths, rays.directions)


def test_viewdirs_forget_the_length_of_directions() -> None:
    directions = torch.tensor([[1.0, 2, 3]])
    origins = torch.zeros(1, 3)
    torch.testing.assert_close(Rays(origins, 7 * directions).viewdirs, Rays(origins, directions).viewdirs)


def test_each_ray_may_have_a_camera_of_its_own() -> None:
    generator = torch.Generator().manual_seed(0)
    K = torch.eye(3) + torch.rand(4, 3, 3, generator=generator).triu()
    c2w = torch.randn(4, 3, 4, generator=generator)
    pixels = torch.randint(9, (4, 3, 2), generator=generator)
    together = pixel_rays(K[:, None], c2w[:, None], pixels)
    for i in range(4):
        alone = pixel_rays(K[i], c2w[i], pixels[i])
        torch.testing.assert_close(together.origins[i], alone.origins)
        torch.testing.assert_close(together.directions[i], alone.directions)


def test_mixed_precision_does_not_round_rays_and_projections() -> None:
    K = torch.tensor([[800.0, 0.0, 504.0], [0.0, 800.0, 378.0], [0.0, 0.0, 1.0]])
    c2w = torch.cat([torch.linalg.qr(torch.randn(3, 3)).Q, torch.randn(3, 1)], dim=1)
    camera = Camera(K, c2w, 1008, 756)
    rays = image_rays(camera)
    points = rays.origins + 3 * rays.directions
    projected = project(camera, points)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(image_rays(camera).directions, rays.directions)
        assert torch.equal(project(camera, points), projected)
    pixels = projected[..., 0] - 0.5
    torch.testing.assert_close(pixels, torch.arange(1008.0).expand(756, -1), atol=0.05, rtol=0)
