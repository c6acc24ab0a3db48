"""Scenes read from the LLFF format: views, split, reference, planes."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.synthetic import (
    SIZE,
    assert_valid,
    forward_facing,
    llff_rows,
    nex_rows,
    read_llff,
    write_photos,
    write_scene,
)
from normnex_pl.core.errors import UserError
from normnex_pl.data.planes.choice import PlaneOverrides


@pytest.mark.parametrize("layout", ["llff", "nex"])
def test_reads_views_in_the_order_of_their_names(tmp_path: Path, layout: str) -> None:
    scene = read_llff(write_scene(tmp_path / "desk", forward_facing(10), layout), None)
    assert_valid(scene)
    assert scene.name == "desk"
    assert scene.root == tmp_path / "desk"
    assert [view.name for view in scene.views] == [f"view_{i:03}" for i in range(10)]
    assert (scene.geometry.width, scene.geometry.height) == SIZE


def test_a_scene_may_hold_small_copies_alone(tmp_path: Path) -> None:
    cameras = forward_facing(4)
    write_photos(tmp_path / "images_4", [f"{i}.JPG" for i in range(4)])
    np.save(tmp_path / "poses_bounds.npy", llff_rows(cameras))
    camera = read_llff(tmp_path, None).views[0].camera
    height, width, focal = cameras.hwf
    scale = SIZE[0] / width
    expected = [[focal * scale, 0, SIZE[0] / 2], [0, focal * scale, SIZE[1] / 2], [0, 0, 1]]
    np.testing.assert_allclose(camera.K, expected, rtol=1e-6)
    assert SIZE[1] == height * scale


@pytest.mark.parametrize("dtype", ["float32", "int64", ">f8"])
def test_poses_may_be_stored_in_other_types(tmp_path: Path, dtype: str) -> None:
    cameras = forward_facing(3)
    whole = replace(
        cameras,
        c2w=np.concatenate([np.tile(np.eye(3), (3, 1, 1)), np.arange(9).reshape(3, 3, 1)], axis=2),
        bounds=np.array([[4.0, 20], [5, 30], [6, 40]]),
    )
    write_scene(tmp_path, whole)
    np.save(tmp_path / "poses_bounds.npy", llff_rows(whole).astype(dtype))
    scene = read_llff(tmp_path, None)
    assert_valid(scene)
    np.testing.assert_allclose(scene.source_from_world[0, 0], 3)  # 0.75 x 4


@pytest.mark.parametrize("shape", [(6,), (6, 1), (1, 6)])
def test_shared_intrinsics_may_have_any_shape_of_six(tmp_path: Path, shape: tuple[int, ...]) -> None:
    write_scene(tmp_path, forward_facing(3), "nex")
    np.save(tmp_path / "hwf_cxcy.npy", np.array([48, 64, 60, 50, 30, 25.0]).reshape(shape))
    K = read_llff(tmp_path, None).views[0].camera.K
    np.testing.assert_allclose(K, [[15, 0, 7.5], [0, 12.5, 6.25], [0, 0, 1]])


def test_shared_intrinsics_may_leave_the_centre_out(tmp_path: Path) -> None:
    write_scene(tmp_path, forward_facing(3), "nex")
    np.save(tmp_path / "hwf_cxcy.npy", np.array([48, 64, 60.0]))
    K = read_llff(tmp_path, None).views[0].camera.K
    np.testing.assert_allclose(K, [[15, 0, 8], [0, 15, 6], [0, 0, 1]])


def test_every_view_keeps_its_own_focal_length(tmp_path: Path) -> None:
    cameras = forward_facing(3)
    rows = llff_rows(cameras)
    rows[:, 14] = [60, 80, 100]
    write_scene(tmp_path, cameras)
    np.save(tmp_path / "poses_bounds.npy", rows)
    assert [float(view.camera.K[0, 0]) for view in read_llff(tmp_path, None).views] == [15, 20, 25]


@pytest.mark.parametrize(("holdout", "test"), [(8, (0, 8, 16)), (2, tuple(range(0, 20, 2))), (30, (0,))])
def test_every_nth_view_is_held_out_beginning_with_the_first(
    tmp_path: Path, holdout: int, test: tuple[int, ...]
) -> None:
    scene = read_llff(write_scene(tmp_path, forward_facing(20)), None, holdout)
    assert scene.test == test
    assert scene.train == tuple(i for i in range(20) if i not in test)


def test_lists_of_the_scene_replace_the_holdout(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_scene(tmp_path, forward_facing(6))
    (tmp_path / "train_image.txt").write_text(
        "view_005.png\n\nimages/view_001.JPG\r\nview_002\n  view_001  \n"
    )
    (tmp_path / "val_image.txt").write_text("\ufeffimages_4\\view_000.png", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        scene = read_llff(tmp_path, None)
    assert scene.train == (1, 2, 5)
    assert scene.test == (0,)
    assert len(scene.views) == 6
    assert "2 views are neither in" in caplog.text


@pytest.mark.parametrize(("file", "train"), [("train_image.txt", (2, 3)), ("val_image.txt", (0, 1, 4))])
def test_one_list_alone_leaves_the_rest_to_the_other_part(
    tmp_path: Path, file: str, train: tuple[int, ...]
) -> None:
    write_scene(tmp_path, forward_facing(5))
    (tmp_path / file).write_text("view_002\nview_003\n")
    assert read_llff(tmp_path, None).train == train


def test_names_with_dots_are_told_from_endings(tmp_path: Path) -> None:
    write_photos(tmp_path / "images", ["a.1.png", "a.2.png", "a.png"])
    np.save(tmp_path / "poses_bounds.npy", llff_rows(forward_facing(3)))
    (tmp_path / "val_image.txt").write_text("a.2\n")
    scene = read_llff(tmp_path, None)
    assert [scene.views[i].name for i in scene.test] == ["a.2"]


def test_reference_is_the_training_camera_nearest_to_their_mean(tmp_path: Path) -> None:
    """The held-out camera in the very middle must not be chosen, nor pull the mean."""
    cameras = forward_facing(5)
    cameras.c2w[:, :, 3] = [[50, 0, 0], [0, 0, 0], [1, 0, 0], [2.1, 0, 0], [1.05, 0, 0]]
    write_scene(tmp_path, cameras)
    (tmp_path / "val_image.txt").write_text("view_000\nview_004\n")
    assert read_llff(tmp_path, None).reference == 2


def test_world_is_scaled_by_three_quarters_of_the_nearest_bound(tmp_path: Path) -> None:
    cameras = forward_facing(9)
    scene = read_llff(write_scene(tmp_path, cameras), None)
    unit = 0.75 * cameras.bounds[:, 0].min()
    expected = cameras.bounds[scene.reference] / unit
    np.testing.assert_allclose([scene.geometry.near, scene.geometry.far], expected)
    assert scene.geometry.spacing == "depth"
    distances = [float(view.camera.c2w[:, 3].norm()) for view in scene.views]
    centres = cameras.c2w[:, :, 3]
    np.testing.assert_allclose(
        distances, np.linalg.norm(centres - centres[scene.reference], axis=1) / unit, atol=1e-6
    )


def test_source_from_world_takes_cameras_back_to_the_file(tmp_path: Path) -> None:
    cameras = forward_facing(9)
    scene = read_llff(write_scene(tmp_path, cameras), None)
    matrix = scene.source_from_world.double().numpy()
    for view, original in zip(scene.views, cameras.c2w, strict=True):
        c2w = view.camera.c2w.double().numpy()
        np.testing.assert_allclose(matrix[:3, :3] @ c2w[:, 3] + matrix[:3, 3], original[:, 3], atol=1e-6)
        turned = matrix[:3, :3] @ c2w[:, :3] / np.cbrt(np.linalg.det(matrix[:3, :3]))
        np.testing.assert_allclose(turned, original[:, :3], atol=1e-6)


def test_intrinsics_of_the_mpi_are_those_of_the_reference(tmp_path: Path) -> None:
    scene = read_llff(write_scene(tmp_path, forward_facing(9)), None)
    camera, geometry = scene.views[scene.reference].camera, scene.geometry
    expected = [[geometry.fx, 0, geometry.cx], [0, geometry.fy, geometry.cy], [0, 0, 1]]
    np.testing.assert_allclose(camera.K, expected)
    assert (camera.width, camera.height) == (geometry.width, geometry.height)


@pytest.mark.parametrize(
    ("text", "near", "far", "spacing", "padding"),
    [
        ("1.5 40", 1.5, 40, "depth", 20),
        ("1.5 40 0", 1.5, 40, "depth", 20),
        ("1.5 40 1\n", 1.5, 40, "disparity", 20),
        ("  1.5\t4e1   1.0 300.0 \nsecond lines are notes", 1.5, 40, "disparity", 30),
        ("1.5 40 1 0", 1.5, 40, "disparity", 0),
    ],
)
def test_planes_file_says_where_planes_stand(
    tmp_path: Path, text: str, near: float, far: float, spacing: str, padding: int
) -> None:
    """Depths are in the scaled world, offsets in pixels of a photo 1008 wide, ten times as wide as ours."""
    write_scene(tmp_path, replace(forward_facing(3), hwf=(75, 101, 90)), size=(101, 75))
    (tmp_path / "planes.txt").write_text(text)
    geometry = read_llff(tmp_path, None).geometry
    assert (geometry.near, geometry.far, geometry.spacing, geometry.padding) == (near, far, spacing, padding)


def test_default_padding_is_the_papers(tmp_path: Path) -> None:
    write_scene(tmp_path, replace(forward_facing(2), hwf=(756, 1008, 900)), size=(1008, 756))
    geometry = read_llff(tmp_path, None).geometry
    assert (geometry.padding, geometry.canvas_width, geometry.canvas_height) == (200, 1408, 1156)
    assert read_llff(tmp_path, 504).geometry.padding == 100


def test_given_overrides_are_stronger_than_the_planes_file(tmp_path: Path) -> None:
    write_scene(tmp_path, forward_facing(3))
    (tmp_path / "planes.txt").write_text("1.5 40 1 504")
    geometry = read_llff(tmp_path, None, overrides=PlaneOverrides(far=9.0, padding=0)).geometry
    assert (geometry.near, geometry.far, geometry.spacing, geometry.padding) == (1.5, 9.0, "disparity", 0)
    geometry = read_llff(tmp_path, None, overrides=PlaneOverrides(near=1.0, spacing="depth")).geometry
    assert (geometry.near, geometry.far, geometry.spacing, geometry.padding) == (1.0, 40.0, "depth", 8)


@pytest.mark.parametrize(
    "overrides", [PlaneOverrides(near=1e9), PlaneOverrides(far=float("nan")), PlaneOverrides(padding=-1)]
)
def test_impossible_overrides_are_refused(tmp_path: Path, overrides: PlaneOverrides) -> None:
    write_scene(tmp_path, forward_facing(3))
    with pytest.raises(UserError, match=r"expected .* found"):
        read_llff(tmp_path, None, overrides=overrides)


def test_rounded_rotations_become_exact_ones(tmp_path: Path) -> None:
    """Text formats keep few digits; a matrix that is nearly a rotation is read as the nearest one."""
    cameras = forward_facing(5)
    write_scene(tmp_path, replace(cameras, c2w=cameras.c2w.round(4)))
    scene = read_llff(tmp_path, None)
    for view in scene.views:
        rotation = view.camera.c2w[:, :3].double().numpy()
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)


def test_both_layouts_must_not_be_mixed(tmp_path: Path) -> None:
    cameras = forward_facing(3)
    write_scene(tmp_path, cameras, "nex")
    np.save(tmp_path / "poses_bounds.npy", llff_rows(cameras))
    with pytest.raises(UserError, match="found 3 x 17 and that file"):
        read_llff(tmp_path, None)
    (tmp_path / "hwf_cxcy.npy").unlink()
    np.save(tmp_path / "poses_bounds.npy", nex_rows(cameras))
    with pytest.raises(UserError, match="found 3 x 14 and no such file"):
        read_llff(tmp_path, None)
