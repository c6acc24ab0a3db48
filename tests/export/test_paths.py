"""Camera paths: loops of proper cameras that stay where the scene was seen from and keep it in view."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from torch import Tensor

from normnex_pl.export.paths import (
    PATHS,
    CameraPath,
    Rig,
    dolly,
    fixed_camera,
    look_at,
    orbit,
    rig_of_cameras,
    rig_of_geometry,
    spiral,
)
from support.small import GEOMETRY

FRAMES = 24
few = settings(max_examples=15, deadline=None)
each_path = pytest.mark.parametrize("name", sorted(PATHS))


@st.composite
def forward_facing(draw: st.DrawFn) -> Tensor:
    """Return some cameras around a place in front of the planes, turned by up to about 20 degrees."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(2, 12))
    spread = draw(st.tuples(*[st.floats(0.0, 0.6)] * 3))
    rotations = Rotation.from_rotvec(rng.uniform(-0.2, 0.2, (count, 3))).as_matrix()
    positions = rng.uniform(-1, 1, (count, 3)) * spread
    return torch.from_numpy(np.concatenate([rotations, positions[..., None]], axis=2))


def symmetric_rig(a: float = 0.4, b: float = 0.3) -> Rig:
    """Return four cameras at the corners of a rectangle that all look along z."""
    corners = torch.tensor([[a, b, 0.0], [a, -b, 0], [-a, b, 0], [-a, -b, 0]])
    return rig_of_cameras(torch.cat([torch.eye(3).expand(4, 3, 3), corners[..., None]], dim=-1), GEOMETRY)


def angles(count: int = FRAMES) -> Tensor:
    return torch.arange(count).double() * 2 * math.pi / count


def local(path: CameraPath, rig: Rig) -> Tensor:
    """Return the positions in the rig's frame."""
    return (path.c2w[:, :, 3] - rig.frame[:, 3]) @ rig.frame[:, :3]


def close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual.double(), expected.double(), atol=1e-6, rtol=1e-6)


@each_path
@few
@given(cameras=forward_facing())
def test_cameras_have_proper_rotations_and_finite_positions(name: str, cameras: Tensor) -> None:
    path = PATHS[name](rig_of_cameras(cameras, GEOMETRY), FRAMES)
    rotations = path.c2w[:, :, :3]
    close(rotations.transpose(1, 2) @ rotations, torch.eye(3).expand(FRAMES, 3, 3))
    close(torch.linalg.det(rotations), torch.ones(FRAMES))
    assert path.c2w.isfinite().all()
    assert path.eyes.isfinite().all()


@each_path
@few
@given(cameras=forward_facing())
def test_the_first_frame_follows_the_last_as_each_frame_the_one_before(name: str, cameras: Tensor) -> None:
    """A loop has no longer step anywhere: half a step is half as long, also over the seam."""
    rig = rig_of_cameras(cameras, GEOMETRY)
    coarse, fine = (PATHS[name](rig, count) for count in (FRAMES, 2 * FRAMES))
    close(fine.c2w[::2], coarse.c2w)
    close(fine.eyes[::2], coarse.eyes)
    dense = PATHS[name](rig, 600).eyes
    steps = (dense.roll(-1, dims=0) - dense).norm(dim=-1)
    turns = steps.roll(-1) - steps
    assert steps[-1] <= steps[:-1].max() + 1e-9
    assert turns.abs().max() <= 0.05 * steps.max() + 1e-9


@pytest.mark.parametrize("name", ["spiral", "orbit"])
@few
@given(cameras=forward_facing())
def test_the_point_looked_at_stays_in_the_centre_of_the_view(name: str, cameras: Tensor) -> None:
    rig = rig_of_cameras(cameras, GEOMETRY)
    focus = rig.frame[:, 3] + rig.focus * rig.frame[:, 2]
    path = PATHS[name](rig, FRAMES)
    in_camera = torch.einsum("fji,fj->fi", path.c2w[:, :, :3], focus - path.c2w[:, :, 3])
    close(in_camera[:, :2], torch.zeros(FRAMES, 2))
    assert (in_camera[:, 2] > 0).all()


@few
@given(cameras=forward_facing())
def test_the_focus_lies_between_the_planes(cameras: Tensor) -> None:
    rig = rig_of_cameras(cameras, GEOMETRY)
    depth = rig.frame[2, 3] + rig.focus * rig.frame[2, 2]
    assert GEOMETRY.near < depth < GEOMETRY.far


@few
@given(cameras=forward_facing())
def test_a_spiral_stays_within_the_range_of_the_cameras(cameras: Tensor) -> None:
    rig = rig_of_cameras(cameras, GEOMETRY)
    range_of_cameras = ((cameras[:, :, 3] - rig.frame[:, 3]) @ rig.frame[:, :3]).abs().amax(dim=0)
    for path in (spiral(rig, FRAMES), fixed_camera(rig, FRAMES)):
        eyes = (path.eyes - rig.frame[:, 3]) @ rig.frame[:, :3]
        assert (eyes.abs() <= range_of_cameras + 1e-9).all()


@few
@given(cameras=forward_facing())
def test_an_orbit_keeps_its_distance_and_stays_within_the_range_sideways(cameras: Tensor) -> None:
    rig = rig_of_cameras(cameras, GEOMETRY)
    positions = local(orbit(rig, FRAMES), rig)
    close((positions - torch.tensor([0, 0, rig.focus])).norm(dim=-1), torch.full((FRAMES,), rig.focus))
    assert (positions[:, :2].abs() <= rig.reach[:2] + 1e-9).all()
    assert (positions[:, 2] >= -1e-9).all()


@few
@given(cameras=forward_facing(), factor=st.floats(0.1, 20))
def test_a_dolly_moves_along_the_axis_between_the_middle_and_half_of_the_way(
    cameras: Tensor, factor: float
) -> None:
    rig = rig_of_cameras(cameras, GEOMETRY).scaled(factor)
    path = dolly(rig, FRAMES)
    positions = local(path, rig)
    close(positions[:, :2], torch.zeros(FRAMES, 2))
    assert positions[:, 2].min() == pytest.approx(0, abs=1e-9)
    assert positions[:, 2].max() == pytest.approx(min(float(rig.reach.max()), rig.near / 2))
    close(path.c2w[:, :, :3], rig.frame[:, :3].expand(FRAMES, 3, 3))


def test_a_symmetric_rig_has_its_middle_axes_and_distances() -> None:
    rig = symmetric_rig()
    close(rig.frame, torch.eye(3, 4))
    close(rig.reach, torch.tensor([0.4, 0.3, 0.0]))
    assert rig.near == pytest.approx(GEOMETRY.near)
    assert rig.focus == pytest.approx(1 / (0.25 / GEOMETRY.near + 0.75 / GEOMETRY.far))


def test_the_spiral_of_a_symmetric_rig_is_an_ellipse_run_through_twice() -> None:
    turn = angles()
    expected = torch.stack([0.4 * (2 * turn).cos(), 0.3 * (2 * turn).sin(), 0 * turn], dim=-1)
    rig = symmetric_rig()
    close(spiral(rig, FRAMES).eyes, expected)
    deep = replace(rig, reach=torch.tensor([0.4, 0.3, 0.2]).double())
    close(spiral(deep, FRAMES).eyes[:, 2], 0.2 * turn.sin())


def test_the_orbit_of_a_symmetric_rig_passes_above_the_cameras() -> None:
    rig = symmetric_rig()
    first, lowest, last, highest = orbit(rig, 4).c2w[:, :, 3]
    depth = rig.focus - math.sqrt(rig.focus**2 - 0.4**2)
    close(first, torch.tensor([0.4, 0, depth]))
    close(last, torch.tensor([-0.4, 0, depth]))
    depth = rig.focus - math.sqrt(rig.focus**2 - 0.3**2)
    close(lowest, torch.tensor([0, 0.3, depth]))  # y points down
    close(highest, torch.tensor([0, -0.3, depth]))


def test_the_fixed_camera_stays_while_its_eyes_move_on_the_spiral() -> None:
    rig = symmetric_rig()
    path = fixed_camera(rig, FRAMES)
    close(path.c2w, torch.eye(3, 4).expand(FRAMES, 3, 4))
    close(path.eyes, spiral(rig, FRAMES).eyes)


@pytest.mark.parametrize("name", ["spiral", "orbit", "dolly"])
def test_other_paths_see_with_their_own_eyes(name: str) -> None:
    path = PATHS[name](symmetric_rig(), FRAMES)
    assert torch.equal(path.eyes, path.c2w[:, :, 3])


@each_path
@few
@given(cameras=forward_facing(), move=st.tuples(*[st.floats(-0.3, 0.3)] * 2))
def test_a_path_moves_with_its_cameras(name: str, cameras: Tensor, move: tuple[float, float]) -> None:
    shift = torch.tensor([*move, 0.0]).double()
    moved = cameras.clone()
    moved[:, :, 3] += shift
    before, after = (PATHS[name](rig_of_cameras(some, GEOMETRY), FRAMES) for some in (cameras, moved))
    close(after.c2w[:, :, :3], before.c2w[:, :, :3])
    close(after.eyes, before.eyes + shift)


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_without_cameras_the_padding_covers_the_first_plane(factor: float) -> None:
    rig = rig_of_geometry(GEOMETRY).scaled(factor)
    eyes = spiral(rig, FRAMES).eyes
    for axis, focal in ((0, GEOMETRY.fx), (1, GEOMETRY.fy)):
        pixels = focal * eyes[:, axis].abs().max() / GEOMETRY.near
        assert float(pixels) == pytest.approx(factor * GEOMETRY.padding)


def test_a_single_frame_is_a_path() -> None:
    for path in PATHS.values():
        assert path(symmetric_rig(), 1).c2w.shape == (1, 3, 4)


def test_cameras_in_one_place_stay_there() -> None:
    rig = rig_of_cameras(torch.eye(3, 4).expand(3, 3, 4), GEOMETRY)
    for path in PATHS.values():
        close(path(rig, 4).c2w, torch.eye(3, 4).expand(4, 3, 4))


def test_looking_at_a_point_keeps_the_horizon_level() -> None:
    [camera] = look_at(torch.tensor([[1.0, 0, 0]]), torch.tensor([0.0, 0, 1]), torch.tensor([0.0, 1, 0]))
    half = math.sqrt(0.5)
    close(camera, torch.tensor([[half, 0, -half, 1], [0, 1, 0, 0], [half, 0, half, 0]]))
