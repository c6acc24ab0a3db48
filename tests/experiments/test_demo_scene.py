"""The shipped scene: that its files agree with each other, and that the script makes such scenes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_erosion, map_coordinates

REPOSITORY = Path(__file__).resolve().parents[2]
DEMO = REPOSITORY / "scenes" / "demo"
SCRIPT = REPOSITORY / "experiments" / "scenes" / "make_demo.py"

VIEWS = 30
WIDTH, HEIGHT = 504, 378
HELD_OUT = range(0, VIEWS, 8)
WALL, TABLE, GLOSSY, MIRROR = range(4)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pose:
    """A camera in OpenCV axes, read from a row of poses_bounds.npy."""

    rotation: Array  # columns right, down, forward
    position: Array
    focal: float

    def world(self, depth: Array) -> Array:
        """Return world points (H, W, 3) at z-depths (H, W)."""
        v, u = np.indices(depth.shape) + 0.5
        rays = np.stack([u - WIDTH / 2, v - HEIGHT / 2, np.full_like(u, self.focal)], -1) / self.focal
        return (rays * depth[..., None]) @ self.rotation.T + self.position

    def project(self, points: Array) -> tuple[Array, Array, Array]:
        """Return coordinates u and v in pixels, and z-depths, of world points."""
        x, y, z = np.moveaxis((points - self.position) @ self.rotation, -1, 0)
        return self.focal * x / z + WIDTH / 2, self.focal * y / z + HEIGHT / 2, z


@cache
def rows() -> Array:
    return np.load(DEMO / "poses_bounds.npy", allow_pickle=False)


def pose(view: int) -> Pose:
    matrix = rows()[view, :15].reshape(3, 5)
    down, right, backward, position, (_, _, focal) = matrix.T
    return Pose(np.stack([right, down, -backward], 1), position, focal)


@cache
def photo(view: int) -> Array:
    with Image.open(DEMO / "images" / f"view_{view:03d}.jpg") as image:
        return np.asarray(image, np.float64)


@cache
def truth(view: int) -> dict[str, NDArray]:
    with np.load(DEMO / "truth" / f"view_{view:03d}.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def inside(view: int, label: int, margin: int = 2) -> NDArray[np.bool_]:
    """Return the pixels of a label without those near its border, which mix two surfaces."""
    square = np.ones((2 * margin + 1, 2 * margin + 1))
    return binary_erosion(truth(view)["mask"] == label, square)


def sample(image: NDArray, u: Array, v: Array) -> Array:
    """Look up bilinearly at pixel coordinates; NaN outside."""
    return map_coordinates(image.astype(np.float64), [v - 0.5, u - 0.5], order=1, cval=np.nan)


def angle(a: Array, b: Array) -> Array:
    """Return the angles between vectors in degrees."""
    a, b = (vector / np.linalg.norm(vector, axis=-1, keepdims=True) for vector in (a, b))
    return np.degrees(np.arccos(np.clip((a * b).sum(-1), -1, 1)))


def depth_error(source: Pose, target: Pose, views: tuple[int, int]) -> float:
    """Return the median relative difference of one view's depth, carried to another, from that one's."""
    from_view, to_view = views
    u, v, z = target.project(source.world(truth(from_view)["depth"].astype(np.float64)))
    seen = sample(truth(to_view)["depth"], u, v)
    valid = np.isfinite(seen)
    assert valid.mean() > 0.3
    return float(np.median(np.abs(z - seen)[valid] / seen[valid]))


PAIRS = [(a, b) for a in HELD_OUT for b in HELD_OUT if a < b]


def test_it_is_small_enough_for_git():
    assert sum(path.stat().st_size for path in DEMO.rglob("*") if path.is_file()) <= 8_000_000


def test_there_is_a_pose_for_each_photo_and_truth_for_each_held_out_one():
    names = sorted(path.name for path in (DEMO / "images").iterdir())
    assert names == [f"view_{view:03d}.jpg" for view in range(VIEWS)]
    assert rows().shape == (VIEWS, 17)
    assert rows().dtype == np.float64
    assert sorted(path.stem for path in (DEMO / "truth").iterdir()) == [name[:-4] for name in names[::8]]
    assert all(photo(view).shape == (HEIGHT, WIDTH, 3) for view in range(VIEWS))
    np.testing.assert_array_equal(rows()[:, [4, 9]], np.tile((HEIGHT, WIDTH), (VIEWS, 1)))


def test_rotations_are_orthonormal_and_right_handed():
    for view in range(VIEWS):
        rotation = pose(view).rotation
        np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-9)
        assert np.linalg.det(rotation) == pytest.approx(1)


def test_held_out_cameras_lie_among_the_training_cameras():
    """Find training cameras in every half-plane around each of them: no view is an extrapolation."""
    training = [pose(view).position[:2] for view in range(VIEWS) if view not in HELD_OUT]
    for view in HELD_OUT:
        away = np.array(training) - pose(view).position[:2]
        directions = np.sort(np.arctan2(away[:, 1], away[:, 0]))
        gaps = np.diff(directions, append=directions[0] + 2 * np.pi)
        assert gaps.max() < np.pi


@pytest.mark.parametrize("view", HELD_OUT)
def test_bounds_hold_the_depths_tightly_and_span_one_to_four(view):
    near, far = rows()[view, 15:]
    depth = truth(view)["depth"]
    assert 0.95 * depth.min() < near < depth.min()
    assert depth.max() < far < 1.05 * depth.max()
    assert depth.max() / depth.min() >= 4


def test_all_bounds_span_one_to_four():
    assert (rows()[:, 15] > 0).all()
    assert (rows()[:, 16] / rows()[:, 15] >= 4).all()


@pytest.mark.parametrize("view", HELD_OUT)
def test_arrays_have_the_documented_types_and_all_labels(view):
    shapes = {name: (array.dtype.name, array.shape) for name, array in truth(view).items()}
    assert shapes == {
        "normals": ("float16", (HEIGHT, WIDTH, 3)),
        "depth": ("float32", (HEIGHT, WIDTH)),
        "diffuse": ("uint8", (HEIGHT, WIDTH, 3)),
        "specular": ("int16", (HEIGHT, WIDTH, 3)),
        "mask": ("uint8", (HEIGHT, WIDTH)),
    }
    share = np.bincount(truth(view)["mask"].ravel(), minlength=4) / (WIDTH * HEIGHT)
    assert len(share) == 4
    assert (share > 0.03).all()


@pytest.mark.parametrize("view", HELD_OUT)
def test_normals_are_unit_vectors_in_opencv_axes(view):
    normals = truth(view)["normals"].astype(np.float64)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1, atol=3e-3)
    camera = pose(view)
    towards = camera.world(truth(view)["depth"]) - camera.position
    facing = (towards @ camera.rotation * normals).sum(-1) / np.linalg.norm(towards, axis=-1)
    assert facing.max() < 0.01  # at a silhouette it is 0, up to rounding
    wall, table = normals[inside(view, WALL)], normals[inside(view, TABLE)]
    assert (wall[:, 2] < -0.9).all()  # back at the camera
    assert (table[:, 1] < -0.9).all()  # up
    assert angle(wall, wall[:1]).max() < 0.2
    assert angle(table, table[:1]).max() < 0.2


@pytest.mark.parametrize("view", HELD_OUT)
@pytest.mark.parametrize("label", [WALL, TABLE, GLOSSY, MIRROR])
def test_normals_are_those_of_the_depth(view, label):
    camera = pose(view)
    points = camera.world(truth(view)["depth"].astype(np.float64))
    along_u = points[1:-1, 2:] - points[1:-1, :-2]
    along_v = points[2:, 1:-1] - points[:-2, 1:-1]
    surface = np.cross(along_v, along_u) @ camera.rotation
    error = angle(surface, truth(view)["normals"][1:-1, 1:-1].astype(np.float64))
    assert np.median(error[inside(view, label)[1:-1, 1:-1]]) < 1


@pytest.mark.parametrize("view", HELD_OUT)
def test_diffuse_and_specular_add_up_to_the_photo(view):
    total = truth(view)["diffuse"] + truth(view)["specular"]
    assert total.min() >= 0
    assert total.max() <= 255
    error = total - photo(view)
    assert 10 * np.log10(255**2 / (error**2).mean()) > 36
    assert np.abs(error.mean((0, 1))).max() < 0.5


@pytest.mark.parametrize("view", HELD_OUT)
def test_the_wall_has_no_gloss_and_the_mirror_nothing_else(view):
    assert np.abs(truth(view)["specular"][inside(view, WALL)]).max() <= 1
    assert truth(view)["diffuse"][inside(view, MIRROR)].max() == 0
    assert truth(view)["specular"][inside(view, MIRROR)].mean() > 50


@pytest.mark.parametrize("view", HELD_OUT)
def test_light_is_not_negative(view):
    """Check that adding the specular part makes no pixel darker, except for noise."""
    specular = truth(view)["specular"]
    for label in (TABLE, GLOSSY):
        assert np.quantile(specular[inside(view, label)], 0.01) >= -2


@pytest.mark.parametrize("views", PAIRS)
def test_poses_carry_the_depth_of_one_view_to_that_of_another(views):
    source, target = (pose(view) for view in views)
    assert depth_error(source, target, views) < 5e-4


@pytest.mark.parametrize("flip", [(-1, 1, 1), (1, -1, 1), (-1, -1, 1)])
def test_mirrored_axes_would_not(flip):
    """The test above can tell right from wrong: with mirrored axes the same depths disagree."""
    for views in PAIRS:
        source, target = (pose(view) for view in views)
        mirrored = [
            Pose(camera.rotation * flip, camera.position, camera.focal) for camera in (source, target)
        ]
        right = depth_error(source, target, views)
        assert depth_error(mirrored[0], mirrored[1], views) > 20 * right


@pytest.mark.parametrize("label", [WALL, TABLE, GLOSSY])
@pytest.mark.parametrize("views", PAIRS)
def test_the_diffuse_part_of_a_point_is_the_same_from_all_sides(views, label):
    source, target = (pose(view) for view in views)
    u, v, z = target.project(source.world(truth(views[0])["depth"].astype(np.float64)))
    visible = np.abs(z / sample(truth(views[1])["depth"], u, v) - 1) < 2e-3
    both = inside(views[0], label) & (sample(inside(views[1], label), u, v) == 1) & visible
    assert both.sum() > 1000
    here, there = truth(views[0])["diffuse"], truth(views[1])["diffuse"]
    for channel in range(3):
        change = sample(there[..., channel], u, v)[both] - here[..., channel][both]
        assert abs(np.median(change)) < 1  # of 255 levels


def run_script(output: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--output", str(output), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_script_makes_a_scene_goes_on_after_a_stop_and_refuses_to_overwrite(tmp_path):
    pytest.importorskip("mitsuba")
    output, partial = tmp_path / "scene", tmp_path / ".scene.partial"
    tiny = ("--width=48", "--views=10", "--spp=4", "--objects=solids", "--lights=window")
    run = run_script(output, *tiny)
    assert run.returncode == 0, run.stderr
    names = [f"view_{view:03d}" for view in range(10)]
    assert sorted(path.name for path in output.iterdir()) == [
        "images",
        "poses_bounds.npy",
        "scene.json",
        "truth",
    ]
    assert sorted(path.name for path in (output / "images").iterdir()) == [f"{name}.jpg" for name in names]
    assert sorted(path.name for path in (output / "truth").iterdir()) == [
        f"{name}.npz" for name in names[::8]
    ]
    assert not partial.exists()
    made = np.load(output / "poses_bounds.npy")
    assert made.shape == (10, 17)
    np.testing.assert_array_equal(made[:, [4, 9]], np.tile((36, 48), (10, 1)))
    assert json.loads((output / "scene.json").read_text())["objects"] == "solids"
    with (
        np.load(output / "truth" / "view_008.npz") as arrays,
        Image.open(output / "images/view_008.jpg") as file,
    ):
        assert set(np.unique(arrays["mask"])) == {WALL, TABLE, GLOSSY, MIRROR}
        total = arrays["diffuse"] + arrays["specular"]
        assert np.abs(total - np.asarray(file, np.int16)).mean() < 8

    again = run_script(output, *tiny)
    assert again.returncode == 1
    assert f"{output} exists already" in again.stderr

    output.rename(partial)  # as a run that was stopped before its sixth photo leaves it
    lost, kept = (partial / "images" / f"view_{view:03d}.jpg" for view in (5, 6))
    before, stamp = lost.read_bytes(), kept.stat().st_mtime_ns
    lost.unlink()
    resumed = run_script(output, *tiny)
    assert resumed.returncode == 0, resumed.stderr
    assert (output / "images" / lost.name).read_bytes() == before
    assert (output / "images" / kept.name).stat().st_mtime_ns == stamp
