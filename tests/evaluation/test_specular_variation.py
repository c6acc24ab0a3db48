"""Highlights at fixed points: a wall with a light patch that moves with the camera."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from normnex_pl.core.truth import ViewTruth
from normnex_pl.core.types import Camera, View
from normnex_pl.evaluation.specular_variation import SpecularVariation, specular_variation
from normnex_pl.geometry.cameras import image_rays
from support.small import GEOMETRY, moved, reference_camera

UNIT = 0.5  # of depth, in the world
DEPTH = 3.0
SHIFTS = (-0.4, -0.1, 0.2, 0.5)
WIDE = replace(GEOMETRY, fx=40.0, fy=40.0, cx=32.0, cy=24.0, width=64, height=48)


def highlight(camera: Camera, speed: float = 0.5) -> Tensor:
    """Return a broad patch that moves over the wall, by default half as fast as the camera."""
    rays = image_rays(camera)
    points = rays.origins + DEPTH * rays.directions
    distance = (points[..., :2] - speed * camera.c2w[:2, 3]).square().sum(dim=-1)
    return (0.8 * torch.exp(-distance / 0.2))[..., None].expand(-1, -1, 3)


def capture(camera: Camera) -> tuple[View, ViewTruth]:
    size = (camera.height, camera.width)
    truth = ViewTruth(
        normals=torch.tensor([0.0, 0.0, -1.0]).expand(*size, 3),
        depth=torch.full(size, DEPTH / UNIT),
        diffuse=torch.zeros(*size, 3),
        specular=highlight(camera),
        mask=torch.zeros(size, dtype=torch.uint8),
    )
    return View("", camera, torch.zeros(*size, 3, dtype=torch.uint8)), truth


CAMERAS = [moved(reference_camera(WIDE), x=shift) for shift in SHIFTS]
VIEWS, TRUTHS = zip(*[capture(camera) for camera in CAMERAS], strict=True)


def score(speculars: list[Tensor], truths: tuple[ViewTruth, ...] = TRUTHS) -> SpecularVariation:
    found = specular_variation(speculars, VIEWS, truths, UNIT)
    assert found is not None
    return found


def test_the_true_specular_part_varies_as_the_true_highlight() -> None:
    found = score([highlight(camera) for camera in CAMERAS])
    assert found.std == pytest.approx(found.true_std)
    assert found.true_std > 0.05
    assert found.correlation == pytest.approx(1)
    assert found.steady_std < 0.05


@pytest.mark.parametrize(("gain", "correlation"), [(0.25, 1), (-0.5, -1)])
def test_a_gain_scales_the_deviations(gain: float, correlation: float) -> None:
    found = score([0.3 + gain * highlight(camera) for camera in CAMERAS])
    assert found.std == pytest.approx(abs(gain) * found.true_std, rel=1e-5)
    assert found.correlation == pytest.approx(correlation)


def test_a_highlight_that_is_painted_on_the_wall_does_not_vary() -> None:
    found = score([torch.full((48, 64, 3), 0.4)] * 4)
    assert found.std == pytest.approx(0, abs=1e-6)
    assert found.correlation is None or abs(found.correlation) < 0.1


def test_a_highlight_that_moves_the_wrong_way_is_told_from_the_true_one() -> None:
    found = score([highlight(camera, speed=-0.5) for camera in CAMERAS])
    assert found.std == pytest.approx(found.true_std, rel=0.2)
    assert found.correlation is not None
    assert found.correlation < -0.3


def test_what_another_surface_hides_from_a_view_is_left_out() -> None:
    """Ignore pixels of a view in which a nearer surface hides the point."""
    hidden = replace(TRUTHS[1], depth=TRUTHS[1].depth.clone())
    hidden.depth[:, 20:40] *= 0.5
    truths = (TRUTHS[0], hidden, *TRUTHS[2:])
    true = [highlight(camera) for camera in CAMERAS]
    wrong = [true[0], true[1].clone(), *true[2:]]
    wrong[1][:, 22:38] = 5.0  # a pixel further in than the surface: reading is bilinear
    assert score(wrong, truths) == score(true, truths)
    assert score(wrong) != score(true)


def test_nothing_is_said_of_one_view_or_of_steady_highlight() -> None:
    assert specular_variation([highlight(CAMERAS[0])], VIEWS[:1], TRUTHS[:1], UNIT) is None
    steady = tuple(replace(truth, specular=torch.full((48, 64, 3), 0.4)) for truth in TRUTHS)
    assert specular_variation([highlight(camera) for camera in CAMERAS], VIEWS, steady, UNIT) is None
