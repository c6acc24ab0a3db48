"""Warping through one plane, on photos of one textured plane."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from normnex_pl.core.types import Camera, Scene, View
from normnex_pl.evaluation.baselines import best_plane_warp_psnr, nearest_training_view, warp_through_plane
from normnex_pl.evaluation.metrics import psnr
from normnex_pl.geometry.cameras import image_rays
from support.small import GEOMETRY

DEPTH = 3.0


def photograph(camera: Camera) -> View:
    """Return a photo of a plane at `DEPTH`, painted with waves."""
    rays = image_rays(camera)
    t = (DEPTH - rays.origins[..., 2:]) / rays.directions[..., 2:]
    X, Y, _ = (rays.origins + t * rays.directions).unbind(-1)
    colors = [torch.sin(3 * X + k) * torch.cos(4 * Y - 2 * k) for k in range(3)]
    image = ((0.5 + 0.45 * torch.stack(colors, dim=-1)) * 255).round().to(torch.uint8)
    return View(f"from {camera.c2w[:, 3].tolist()}", camera, image)


def camera(position: tuple[float, float, float], width: int, height: int, turn: float = 0) -> Camera:
    """Return a camera that looks at the plane, with its principal point in the middle of the photo."""
    K = torch.tensor([[40, 0, width / 2], [0, 40, height / 2], [0, 0, 1]])
    rotation = torch.from_numpy(Rotation.from_rotvec([turn, -turn, turn]).as_matrix()).float()
    return Camera(K, torch.cat([rotation, torch.tensor(position)[:, None]], dim=1), width, height)


def source_and_target(turn: float) -> tuple[View, View]:
    """Return two photos; the source sees all that the target sees, and more."""
    source = photograph(camera((0.2, -0.1, 0.1), 80, 72, turn=-turn))
    target = photograph(camera((-0.2, 0.1, -0.1), 24, 20, turn))
    return source, target


def truth(view: View) -> Tensor:
    return view.image.float() / 255


@pytest.mark.parametrize("turn", [0.0, 0.1])
def test_a_photo_warped_through_the_right_plane_is_the_other_photo(turn: float) -> None:
    source, target = source_and_target(turn)
    warped = warp_through_plane(source, target.camera, DEPTH)
    assert warped.shape == (20, 24, 3)
    assert psnr(warped, truth(target)) > 40


@pytest.mark.parametrize("depth", [2.0, 2.7, 3.4, 6.0])
def test_a_wrong_plane_is_clearly_worse(depth: float) -> None:
    source, target = source_and_target(0.1)
    right = psnr(warp_through_plane(source, target.camera, DEPTH), truth(target))
    assert psnr(warp_through_plane(source, target.camera, depth), truth(target)) < right - 10


def test_a_photo_warped_to_its_own_camera_is_itself_at_any_depth() -> None:
    view = photograph(camera((0.1, 0.2, 0), 24, 20, turn=0.1))
    for depth in (1.0, 20.0):
        torch.testing.assert_close(
            warp_through_plane(view, view.camera, depth), truth(view), rtol=0, atol=2e-3
        )


def test_the_best_plane_is_the_right_one() -> None:
    source, target = source_and_target(0.1)
    right = psnr(warp_through_plane(source, target.camera, DEPTH), truth(target))
    with_it = best_plane_warp_psnr(source, target, near=2.0, far=12.0, num_depths=6)
    assert with_it == pytest.approx(right, abs=1e-3)  # 1/3 is one of the inverse depths tried
    without_it = best_plane_warp_psnr(source, target, near=4.0, far=12.0, num_depths=8)
    assert without_it < right - 10


def test_the_nearest_view_is_chosen_among_the_training_views() -> None:
    positions = [(0.0, 0, 0), (0.3, 0, 0), (0, -0.4, 0), (0.1, 0, 0)]
    views = tuple(photograph(camera(position, 6, 4)) for position in positions)
    geometry = replace(GEOMETRY, width=6, height=4)
    scene = Scene("waves", Path("waves"), views, (0, 1, 2), (3,), 0, geometry, torch.eye(4))
    assert nearest_training_view(scene, camera((0.12, 0, 0), 6, 4)) is views[0]
    assert nearest_training_view(scene, camera((0.2, 0, 0), 6, 4)) is views[1]
    assert nearest_training_view(scene, camera((0.1, -0.3, 0), 6, 4)) is views[2]
