"""Axes, units and pixel coordinates of loaded scenes, against independent oracles."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from data.synthetic import Cameras, forward_facing, llff_rows, read_llff, write_photos, write_scene
from normnex_pl.core.types import Camera, Scene
from normnex_pl.data.readers.llff import opencv_from_llff
from normnex_pl.geometry.cameras import pixel_rays

FERN = Path(__file__).resolve().parents[2].parent / "shared" / "scenes" / "fern"

quick = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def project(camera: Camera, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return u, v and depth of world points, by the textbook: K [R | t] X, R and t from world to camera."""
    c2w = camera.c2w.double().numpy()
    R = c2w[:, :3].T
    t = -R @ c2w[:, 3]
    uvw = camera.K.double().numpy() @ (R @ points.T + t[:, None])
    return np.stack([uvw[0] / uvw[2], uvw[1] / uvw[2], uvw[2]], axis=1)


def to_world(scene: Scene, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take points from the capture's own frame to the scene's world."""
    world_from_source = np.linalg.inv(scene.source_from_world.double().numpy())
    return points @ world_from_source[:3, :3].T + world_from_source[:3, 3]


def read_cameras(root: Path, cameras: Cameras) -> Scene:
    """Read a scene with these cameras; photos are written once a folder."""
    if not (root / "images").exists():
        write_photos(root / "images", [f"{i}.png" for i in range(len(cameras.c2w))])
    np.save(root / "poses_bounds.npy", llff_rows(cameras))
    return read_llff(root, None)


def test_llff_axes_worked_by_hand() -> None:
    """A camera that looks along +z of the world, upright in a world whose y points down, is the identity."""
    down, right, backward, position = [0, 1, 0], [1, 0, 0], [0, 0, -1], [4, 5, 6]
    llff = np.array([down, right, backward, position], dtype=float).T[None]
    expected = np.concatenate([np.eye(3), [[4], [5], [6]]], axis=1)
    np.testing.assert_array_equal(opencv_from_llff(llff)[0], expected)


def test_both_pose_formats_give_the_same_scene(tmp_path: Path) -> None:
    cameras = forward_facing(9)
    scenes = [read_llff(write_scene(tmp_path / layout, cameras, layout), None) for layout in ("llff", "nex")]
    for one, other in zip(scenes[0].views, scenes[1].views, strict=True):
        np.testing.assert_allclose(one.camera.K, other.camera.K, atol=1e-6)
        np.testing.assert_allclose(one.camera.c2w, other.camera.c2w, atol=1e-6)
    assert scenes[0].geometry == scenes[1].geometry
    np.testing.assert_allclose(scenes[0].source_from_world, scenes[1].source_from_world, atol=1e-6)


@quick
@given(
    scale=st.floats(1e-3, 1e3),
    turn=st.tuples(*[st.floats(-3, 3)] * 3),
    shift=st.tuples(*[st.floats(-100, 100)] * 3),
)
def test_moving_turning_and_scaling_the_whole_world_changes_nothing(
    tmp_path: Path, scale: float, turn: tuple[float, float, float], shift: tuple[float, float, float]
) -> None:
    cameras = forward_facing(9)
    rotation = Rotation.from_rotvec(turn).as_matrix()
    positions = scale * (cameras.c2w[:, :, 3] @ rotation.T) + shift
    c2w = np.concatenate([rotation @ cameras.c2w[:, :, :3], positions[:, :, None]], axis=2)
    before = read_cameras(tmp_path, cameras)
    after = read_cameras(tmp_path, replace(cameras, c2w=c2w, bounds=cameras.bounds * scale))
    assert after.reference == before.reference
    assert (after.train, after.test) == (before.train, before.test)
    np.testing.assert_allclose(after.geometry.near, before.geometry.near, rtol=1e-9)
    np.testing.assert_allclose(after.geometry.far, before.geometry.far, rtol=1e-9)
    for one, other in zip(before.views, after.views, strict=True):
        np.testing.assert_array_equal(one.camera.K, other.camera.K)
        np.testing.assert_allclose(one.camera.c2w, other.camera.c2w, atol=1e-6)
    # What did change is only the way back to the file's frame.
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = scale * rotation, shift
    expected = motion @ before.source_from_world.double().numpy()
    np.testing.assert_allclose(after.source_from_world, expected, rtol=1e-5, atol=1e-4 * max(1, scale))


@quick
@given(width=st.integers(16, 64), point=st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(2, 9)))
def test_a_point_stays_where_it_is_in_the_picture_at_every_width(
    tmp_path: Path, width: int, point: tuple[float, float, float]
) -> None:
    """Compare positions relative to width and height; rounding the height to whole pixels must not matter."""
    if not (tmp_path / "images").exists():
        write_scene(tmp_path, forward_facing(2), size=(64, 48))
    full, small = read_llff(tmp_path, None), read_llff(tmp_path, width)
    assert small.geometry.width == width
    for one, other in zip(full.views, small.views, strict=True):
        positions = []
        for camera in (one.camera, other.camera):
            u, v, _ = project(camera, to_world(full, np.array([point])))[0]
            positions.append((u / camera.width, v / camera.height))
        np.testing.assert_allclose(positions[0], positions[1], atol=1e-5)


def test_projection_agrees_with_the_cameras_of_the_file(tmp_path: Path) -> None:
    """Points of the file's frame, through the file's own cameras, land where the scene's cameras see them."""
    cameras = forward_facing(5)
    scene = read_cameras(tmp_path, cameras)
    points = np.random.default_rng(0).uniform([-2, -2, 3], [2, 2, 9], (50, 3))
    scale = 16 / cameras.hwf[1]
    for view, c2w in zip(scene.views, cameras.c2w, strict=True):
        x, y, z = ((points - c2w[:, 3]) @ c2w[:, :3]).T
        u = cameras.hwf[2] * scale * x / z + 8
        v = cameras.hwf[2] * scale * y / z + 6
        np.testing.assert_allclose(project(view.camera, to_world(scene, points))[:, :2].T, [u, v], atol=1e-4)


def test_rays_through_projected_pixels_meet_their_points(tmp_path: Path) -> None:
    """Cast rays through pixel centres to a known depth, and project the points back."""
    scene = read_cameras(tmp_path, forward_facing(5))
    pixels = torch.tensor([[0, 0], [15, 11], [7, 3]])
    for view in scene.views:
        rays = pixel_rays(view.camera.K, view.camera.c2w, pixels)
        points = (rays.origins + 2.5 * rays.directions).double().numpy()
        uvz = project(view.camera, points)
        np.testing.assert_allclose(uvz[:, :2], pixels.numpy() + 0.5, atol=1e-4)
        np.testing.assert_allclose(uvz[:, 2], 2.5, atol=1e-5)


@dataclass(frozen=True)
class PointCloud:
    """COLMAP's points: positions, colours, and pairs of (point, image) that say who sees what."""

    xyz: NDArray[np.float64]
    rgb: NDArray[np.float64]
    point: NDArray[np.int64]
    image: NDArray[np.int64]


def read_points(path: Path) -> PointCloud:
    """Read ``points3D.bin`` (https://colmap.github.io/format.html#points3d-txt).

    pycolmap reads whole models only, and the scene comes without ``images.bin``. Images are numbered in
    the order of their names, from 1.
    """
    data = path.read_bytes()
    (count,) = struct.unpack_from("<Q", data)
    place, xyz, rgb, point, image = 8, [], [], [], []
    for index in range(count):
        _, x, y, z, red, green, blue, _, length = struct.unpack_from("<Q3d3BdQ", data, place)
        place += struct.calcsize("<Q3d3BdQ")
        track = np.frombuffer(data, "<u4", 2 * length, place).reshape(-1, 2)  # image, keypoint
        place += track.nbytes
        xyz.append((x, y, z))
        rgb.append((red, green, blue))
        seen_by = np.unique(track[:, 0]).astype(np.int64) - 1
        image.append(seen_by)
        point.append(np.full_like(seen_by, index))
    assert place == len(data)
    return PointCloud(np.array(xyz), np.array(rgb, float), np.concatenate(point), np.concatenate(image))


@pytest.fixture(scope="module")
def fern() -> Scene:
    """Return the LLFF scene, with a quarter of its original resolution."""
    if not FERN.is_dir():
        pytest.skip(f"the LLFF scene fern is not at {FERN}")
    return read_llff(FERN, None)


@pytest.fixture(scope="module")
def points(fern: Scene) -> PointCloud:
    """Return its sparse reconstruction, from which the poses come too."""
    return read_points(FERN / "sparse" / "0" / "points3D.bin")


def color_error(
    scene: Scene, points: PointCloud, mirror: tuple[int, int] = (1, 1), shift: tuple[int, int] = (0, 0)
) -> float:
    """Return the mean difference of the points' colours from the photos where they project, 0 to 255.

    Mirrored about the principal point, or shifted by whole pixels. Points are looked up in the photos that
    saw them, bilinearly; hardly any leave the photo.
    """
    errors = []
    for index, view in enumerate(scene.views):
        seen = points.point[points.image == index]
        K = view.camera.K.double().numpy()
        uvz = project(view.camera, to_world(scene, points.xyz[seen]))
        assert (uvz[:, 2] > 0).all()
        uv = (uvz[:, :2] - K[:2, 2]) * mirror + K[:2, 2] + shift
        inside = ((uv > 0.5) & (uv < [view.camera.width - 0.5, view.camera.height - 0.5])).all(axis=1)
        assert inside.mean() > 0.99
        # map_coordinates counts rows first, and from pixel centres.
        places = uv[inside, ::-1].T - 0.5
        image = view.image.numpy().astype(np.float32)
        colors = np.stack([map_coordinates(image[:, :, c], places, order=1) for c in range(3)], axis=1)
        errors.append(np.abs(colors - points.rgb[seen[inside]]).mean(axis=1))
    return float(np.concatenate(errors).mean())


def test_colours_of_the_point_cloud_match_the_photos(fern: Scene, points: PointCloud) -> None:
    error = color_error(fern, points)
    assert error < 0.5 * color_error(fern, points, mirror=(-1, 1))
    assert error < 0.5 * color_error(fern, points, mirror=(1, -1))
    for shift in [(2, 0), (-2, 0), (0, 2), (0, -2)]:
        assert color_error(fern, points, shift=shift) > 1.2 * error, f"shifted by {shift}"


def test_colours_match_at_a_smaller_width_too(points: PointCloud) -> None:
    scene = read_llff(FERN, 504)
    error = color_error(scene, points)
    for shift in [(2, 0), (-2, 0), (0, 2), (0, -2)]:
        assert color_error(scene, points, shift=shift) > 1.2 * error, f"shifted by {shift}"


def test_bounds_of_the_file_are_the_depths_of_its_points(fern: Scene, points: PointCloud) -> None:
    """LLFF takes the 0.1 and 99.9 percent quantiles of the depths that a view sees: same unit, same axis."""
    xyz = to_world(fern, points.xyz[points.point[points.image == fern.reference]])
    depths = project(fern.views[fern.reference].camera, xyz)[:, 2]
    expected = np.percentile(depths, [0.1, 99.9])
    np.testing.assert_allclose([fern.geometry.near, fern.geometry.far], expected, rtol=1e-4)
