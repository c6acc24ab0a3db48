"""nerfstudio's ``transforms.json``: lenses, lists, bounds, point clouds, and broken files."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.layouts import captured, transforms_content, write_nerfstudio, write_ply
from data.refusals import check_one_clear_message
from data.synthetic import assert_valid, write_photos
from normnex_pl.core.errors import UserError
from normnex_pl.core.types import Scene
from normnex_pl.data.planes.percentiles import Percentiles
from normnex_pl.data.readers.bounds import FixedBounds
from normnex_pl.data.readers.nerfstudio import NerfstudioReader
from normnex_pl.data.readers.ply import read_ply_points
from normnex_pl.data.scene.load import load_scene


def read(root: Path, width: int | None = None, reader: NerfstudioReader | None = None) -> Scene:
    """Read a scene by its transforms."""
    scene = load_scene(root, width, reader or NerfstudioReader())
    assert_valid(scene)
    return scene


def edit(root: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the content of ``transforms.json`` in place."""
    path = root / "transforms.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_opengl_axes_worked_by_hand(tmp_path: Path) -> None:
    """A camera that looks along -z with y up is the identity there, and turned by half about x here."""
    write_nerfstudio(tmp_path, captured(2))
    edit(tmp_path, lambda content: content["frames"][0].update(transform_matrix=np.eye(4).tolist()))
    c2w = NerfstudioReader(bounds=FixedBounds(1.0, 9.0)).read(tmp_path, None).c2w[0]
    np.testing.assert_array_equal(c2w, [[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 0]])


def test_matrices_may_leave_out_their_last_row(tmp_path: Path) -> None:
    write_nerfstudio(tmp_path, captured(3))
    expected = NerfstudioReader().read(tmp_path, None).c2w
    edit(tmp_path, lambda content: [frame["transform_matrix"].pop() for frame in content["frames"]])
    np.testing.assert_array_equal(NerfstudioReader().read(tmp_path, None).c2w, expected)


def test_lenses_may_differ_from_frame_to_frame(tmp_path: Path) -> None:
    write_nerfstudio(tmp_path, captured(3), fl_y=None)
    edit(tmp_path, lambda content: content["frames"][1].update(fl_x=80.0, cx=30.0, k1=0.05))
    K = [view.camera.K for view in read(tmp_path).views]
    np.testing.assert_allclose(K[0], [[15, 0, 8], [0, 15, 6], [0, 0, 1]])
    np.testing.assert_allclose(K[1][:2, 2], [7.5, 6])
    assert 20 < K[1][0, 0] == K[1][1, 1] < 21
    np.testing.assert_allclose(K[2], K[0])


def test_the_angle_of_view_replaces_the_focal_length(tmp_path: Path) -> None:
    """Read files as those of Blender scenes: with an angle only; sizes are those of the photos."""
    angle = 2 * math.atan(32 / 60)
    nothing = dict.fromkeys(("fl_x", "fl_y", "cx", "cy", "w", "h", "camera_model"))
    write_nerfstudio(tmp_path, captured(3), camera_angle_x=angle, **nothing)
    np.testing.assert_allclose(
        read(tmp_path).views[0].camera.K, [[15, 0, 8], [0, 15, 6], [0, 0, 1]], rtol=1e-6
    )
    edit(tmp_path, lambda content: content.update(camera_angle_y=2 * math.atan(24 / 40)))
    np.testing.assert_allclose(read(tmp_path).views[0].camera.K[1, 1], 10, rtol=1e-6)
    # Smaller copies are smaller pictures of the same lens.
    write_photos(tmp_path / "images_2", [f"view_00{i}.png" for i in range(3)], (8, 6))
    np.testing.assert_allclose(read(tmp_path, 8).views[0].camera.K[0], [7.5, 0, 4], rtol=1e-6)


@pytest.mark.parametrize(
    "spelling",
    ["images/{}.png", "./images/{}.png", "images/{}", "./images/{}", "images\\{}.png", "images/{}.jpg"],
)
def test_paths_may_be_spelt_in_many_ways(tmp_path: Path, spelling: str) -> None:
    write_nerfstudio(tmp_path, captured(3))

    def respell(content: dict[str, Any]) -> None:
        for frame in content["frames"]:
            frame["file_path"] = spelling.format(Path(frame["file_path"]).stem)

    edit(tmp_path, respell)
    assert [view.name for view in read(tmp_path).views] == ["view_000", "view_001", "view_002"]


def test_photos_may_be_anywhere_and_frames_in_any_order(tmp_path: Path) -> None:
    write_nerfstudio(tmp_path, captured(3))
    expected = read(tmp_path)
    (tmp_path / "images").rename(tmp_path / "train")

    def move(content: dict[str, Any]) -> None:
        for frame in content["frames"]:
            frame["file_path"] = "./" + frame["file_path"].replace("images", "train").replace(".png", "")
        content["frames"].reverse()

    edit(tmp_path, move)
    for one, other in zip(expected.views, read(tmp_path).views, strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(one.camera.c2w, other.camera.c2w)
        np.testing.assert_array_equal(one.image, other.image)


@pytest.mark.parametrize(
    ("lists", "train", "test"),
    [
        ({"train": [0, 1], "val": [2], "test": [3, 4]}, (0, 1), (3, 4)),
        ({"train": [0, 1], "val": [2, 3]}, (0, 1), (2, 3)),
        ({"train": [0, 3]}, (0, 3), (1, 2, 4)),
        ({"test": [4]}, (0, 1, 2, 3), (4,)),
        ({"val": [1]}, (0, 2, 3, 4), (1,)),
        ({"train": [1, 2], "val": [], "test": [0]}, (1, 2), (0,)),
    ],
)
def test_lists_in_the_file_are_the_split(
    tmp_path: Path, lists: dict[str, list[int]], train: tuple[int, ...], test: tuple[int, ...]
) -> None:
    changes = {
        f"{key}_filenames": [f"./images/view_00{i}.png" for i in views] for key, views in lists.items()
    }
    scene = read(write_nerfstudio(tmp_path, captured(5), **changes))
    assert (scene.train, scene.test) == (train, test)
    (tmp_path / "val_image.txt").write_text("view_001\nview_002\n")
    assert read(tmp_path).test == (1, 2), "the text files are stronger"


def test_bounds_are_given_or_from_points_or_from_planes(tmp_path: Path) -> None:
    scene = captured(3)
    write_nerfstudio(tmp_path, scene)
    np.testing.assert_allclose(NerfstudioReader().read(tmp_path, None).bounds, scene.cameras.bounds)
    percentiles = NerfstudioReader(Percentiles(20.0, 80.0)).read(tmp_path, None).bounds
    assert (percentiles[:, 0] > scene.cameras.bounds[:, 0]).all()
    given_bounds = NerfstudioReader(bounds=FixedBounds(1.5, 30.0)).read(tmp_path, None).bounds
    np.testing.assert_array_equal(given_bounds, [[1.5, 30]] * 3)
    write_nerfstudio(tmp_path, scene, ply_file_path=None)
    with pytest.raises(
        UserError, match=r"expected depth bounds .* found no such files\. Write 'near far' .* give"
    ):
        read(tmp_path)
    (tmp_path / "planes.txt").write_text("2 40")
    np.testing.assert_array_equal(NerfstudioReader().read(tmp_path, None).bounds, [[2, 40]] * 3)
    geometry = read(tmp_path).geometry
    np.testing.assert_allclose([geometry.near, geometry.far], [4 / 3, 80 / 3])


@pytest.mark.parametrize("bounds", [(0, 1), (2, 1), (1, math.inf), (math.nan, 1)])
def test_impossible_bounds_are_refused(bounds: tuple[float, float]) -> None:
    with pytest.raises(UserError, match="depth bounds: expected 0 < near < far, found"):
        FixedBounds(*map(float, bounds)).of_views(2)


def set_frame(**changes: Any) -> Callable[[Path], None]:
    """Return a breaker that changes keys of the second frame."""
    return lambda root: edit(root, lambda content: content["frames"][1].update(changes))


def set_top(**changes: Any) -> Callable[[Path], None]:
    """Return a breaker that changes keys at the top."""
    return lambda root: edit(root, lambda content: content.update(changes))


def matrix_with(value: Any) -> list[list[Any]]:
    """Return the identity, but for one number."""
    return [[1.0, 0.0, 0.0, value], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]


BREAKERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "not JSON": (
        lambda root: (root / "transforms.json").write_text("{"),
        r"transforms\.json: expected a JSON",
    ),
    "empty": (
        lambda root: (root / "transforms.json").write_text(""),
        r"expected a JSON file, found an empty",
    ),
    "a list": (
        lambda root: (root / "transforms.json").write_text("[1]"),
        r"an object with 'frames', found list",
    ),
    "no frames": (set_top(frames=[]), r"'frames': expected a list of frames, found \[\]"),
    "words as frames": (set_top(frames=["a"]), r"'frames': expected a list of frames, found \['a'\]"),
    "missing photo": (
        lambda root: (root / "images/view_001.png").unlink(),
        r"images/view_001\.png: expected a photo .* found 1 of 4 photos missing",
    ),
    "missing photo elsewhere": (
        set_frame(file_path="photos/a.png"),
        r"photos/a\.png: expected a photo there .* as .*transforms\.json, frame 1 says, found none",
    ),
    "no path": (set_frame(file_path=None), r"frame 1: expected a text as 'file_path', found None"),
    "path is the folder": (set_frame(file_path="./"), r"frame 1: expected a text as 'file_path'"),
    "no matrix": (set_frame(transform_matrix=None), r"frame 1: expected 4 x 4 numbers as 'transform_matrix'"),
    "ragged matrix": (set_frame(transform_matrix=[[1], [1, 2]]), r"frame 1: expected 4 x 4 numbers"),
    "NaN in a pose": (
        set_frame(transform_matrix=matrix_with(math.nan)),
        r"frame 1: expected finite numbers, found NaN",
    ),
    "infinite pose": (
        set_frame(transform_matrix=matrix_with(math.inf)),
        r"frame 1: expected finite numbers, found NaN",
    ),
    "words in a pose": (set_frame(transform_matrix=matrix_with("x")), r"frame 1: expected 4 x 4 numbers"),
    "projective matrix": (
        set_frame(transform_matrix=[*matrix_with(0.0)[:3], [0, 0, 0, 2]]),
        r"frame 1: expected 'transform_matrix' that ends with 0, 0, 0, 1, found 0, 0, 0, 2",
    ),
    "scaled rotation": (
        set_frame(transform_matrix=np.diag([2, 2, 2, 1]).tolist()),
        r"frame 1: expected a rotation matrix, found columns .* not of length 1",
    ),
    "mirrored pose": (
        set_frame(transform_matrix=np.diag([1, 1, -1, 1]).tolist()),
        r"frame 1: expected a rotation matrix \(determinant 1\), found a mirrored one",
    ),
    "fisheye": (
        set_top(camera_model="OPENCV_FISHEYE"),
        r"frame 0: expected a camera model among OPENCV, .* found 'OPENCV_FISHEYE'",
    ),
    "fourth coefficient": (
        set_top(k4=0.1),
        r"frame 0: expected no fourth radial coefficient 'k4', found 0\.1",
    ),
    "impossible distortion": (
        set_top(k1=-3.0),
        r"camera of photo 'view_000\.png': expected the distortion of",
    ),
    "no focal length": (
        lambda root: edit(root, lambda content: [content.pop("fl_x"), content.pop("fl_y")]),
        r"frame 0: expected the key 'fl_x', found camera_model, cx",
    ),
    "word as focal length": (set_top(fl_x="wide"), r"frame 0: expected a number as 'fl_x', found 'wide'"),
    "negative focal length": (set_frame(fl_x=-3), r"frame 1: expected a positive .* focal length"),
    "wide angle": (
        lambda root: edit(root, lambda content: [content.pop("fl_x"), content.update(camera_angle_x=4.0)]),
        r"frame 0: expected 0 < 'camera_angle_x' < pi, found 4",
    ),
    "another shape": (set_top(h=40), r"transforms\.json: expected photos shaped like the 64x40 pixels"),
    "unknown name in a list": (
        set_top(train_filenames=["images/a.png"]),
        r"'train_filenames': expected names of frames, found 'images/a\.png'",
    ),
    "listed for both": (
        set_top(train_filenames=["images/view_000.png"], test_filenames=["images/view_000.png"]),
        r"expected photos for training or testing, found 'images/view_000\.png' listed for both",
    ),
    "missing points": (
        lambda root: (root / "sparse_pc.ply").unlink(),
        r"transforms\.json: expected depth bounds from .* found no such files",
    ),
    "no points": (
        lambda root: (root / "sparse_pc.ply").write_bytes(b"ply"),
        r"sparse_pc\.ply: expected a PLY file of points with x, y and z, found .*no PLY header",
    ),
    "points behind": (
        lambda root: write_ply(root / "sparse_pc.ply", np.array([[0, 0, -1.0]] * 20)),
        r"sparse_pc\.ply: expected at least 8 points in front .* found 0 for 'images/view_000\.png'",
    ),
}


@pytest.mark.parametrize("name", BREAKERS)
def test_a_broken_scene_is_one_clear_message(tmp_path: Path, name: str) -> None:
    breaker, says = BREAKERS[name]
    root = write_nerfstudio(tmp_path / "scene", captured(4))
    check_one_clear_message(root, read, breaker, says)


JUNK = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just([]) | st.just({})
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_junk_in_the_file_is_a_scene_or_a_message(data: st.DataObject) -> None:
    scene = captured(3)
    content = transforms_content(replace(scene, points=scene.points[:8]))
    if data.draw(st.booleans()):
        content["frames"][1]["transform_matrix"][data.draw(st.integers(0, 3))][3] = data.draw(JUNK)
    holder = data.draw(st.sampled_from([content, content["frames"][0], content["frames"][2]]))
    key = data.draw(st.sampled_from(sorted({*holder, "k1", "train_filenames", "camera_angle_x"})))
    holder[key] = data.draw(JUNK)
    with tempfile.TemporaryDirectory() as folder:
        write_nerfstudio(Path(folder), replace(scene, points=scene.points[:8]))
        (Path(folder) / "transforms.json").write_text(json.dumps(content))
        with contextlib.suppress(UserError):
            read(Path(folder))


def test_a_photo_moved_away_later_is_named(tmp_path: Path) -> None:
    root = write_nerfstudio(tmp_path, captured(3))
    shutil.rmtree(root / "images")
    with pytest.raises(UserError, match="expected the photos in a folder images/"):
        read(root)


POINTS = np.array([[1.0, 2, 3], [-4, 5.5, 6], [0, 0, 1e3]])


def ply(form: str, order: str, extra: bool) -> bytes:
    """Return a PLY file of `POINTS`, with elements around the vertices."""
    fields = [
        ("red", "u1"),
        ("x", order + "f4"),
        ("y", order + "f8"),
        ("z", order + "f4"),
        ("id", order + "i2"),
    ]
    names = ["uchar red", "float x", "double y", "float32 z", "int16 id"]
    table = np.zeros(3, fields)
    for axis, column in zip("xyz", POINTS.T, strict=True):
        table[axis] = column
    header = f"ply\nformat {form} 1.0\ncomment element vertex 7\n"
    before, after = b"", b""
    if extra:
        header += "element camera 2\nproperty int focal\n"
        before = np.array([7, 8], order + "i4").tobytes() if form != "ascii" else b"7\n8\n"
    header += "element vertex 3\n" + "".join(f"property {name}\n" for name in names)
    if extra:
        header += "element face 1\nproperty list uchar int vertex_indices\n"
        after = b"\x03" + np.arange(3, dtype=order + "i4").tobytes() if form != "ascii" else b"3 0 1 2\n"
    rows = "".join(" ".join(map(str, row.tolist())) + "\n" for row in table)
    body = rows.encode() if form == "ascii" else table.tobytes()
    return (header + "end_header\n").encode() + before + body + after


@pytest.mark.parametrize("extra", [False, True])
@pytest.mark.parametrize(
    ("form", "order"), [("ascii", "="), ("binary_little_endian", "<"), ("binary_big_endian", ">")]
)
def test_points_are_read_from_every_form_of_ply(tmp_path: Path, form: str, order: str, extra: bool) -> None:
    path = tmp_path / "points.ply"
    path.write_bytes(ply(form, order, extra))
    np.testing.assert_array_equal(read_ply_points(path), POINTS)
    path.write_bytes(
        ply(form, order, extra).replace(b"\n", b"\r\n") if form == "ascii" else ply(form, order, extra)
    )
    np.testing.assert_array_equal(read_ply_points(path), POINTS)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_ply_files_are_points_or_a_message(tmp_path: Path, data: st.DataObject) -> None:
    form, order = data.draw(st.sampled_from([("ascii", "="), ("binary_little_endian", "<")]))
    damaged = bytearray(ply(form, order, extra=True))
    position = data.draw(st.integers(0, len(damaged) - 1))
    if data.draw(st.booleans()):
        damaged[position] = data.draw(st.integers(0, 255))
    else:
        del damaged[position : position + data.draw(st.integers(1, 40))]
    (tmp_path / "points.ply").write_bytes(bytes(damaged))
    with contextlib.suppress(UserError):
        assert read_ply_points(tmp_path / "points.ply").shape[1] == 3


@pytest.mark.parametrize("keep", [0, 3, 40, 150, -20])
def test_truncated_ply_files_are_refused(tmp_path: Path, keep: int) -> None:
    (tmp_path / "points.ply").write_bytes(ply("binary_little_endian", "<", extra=False)[:keep])
    with pytest.raises(
        UserError, match=r"points\.ply: expected a PLY file .* found a truncated or other file"
    ):
        read_ply_points(tmp_path / "points.ply")
