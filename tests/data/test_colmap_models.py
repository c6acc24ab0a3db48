"""Text files of COLMAP that other programs wrote, and scenes with several models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.layouts import Captured, captured, write_colmap_binary, write_colmap_text, write_llff
from normnex_pl.core.errors import UserError
from normnex_pl.data.readers.colmap import ColmapReader
from normnex_pl.data.readers.colmap_places import possible_places
from normnex_pl.data.readers.colmap_text import read_text_images
from normnex_pl.data.readers.llff import LLFFReader

WRITERS = (write_colmap_binary, write_colmap_text)


def subset(scene: Captured, first: int, last: int, shift: float = 0.0) -> Captured:
    """Return some of the views, and the points in a frame of their own."""
    c2w = scene.cameras.c2w[first:last] + np.array([0, 0, 0, shift])
    cameras = replace(scene.cameras, c2w=c2w, bounds=scene.cameras.bounds[first:last])
    return replace(scene, cameras=cameras, points=scene.points + shift)


KEYPOINTS = st.lists(
    st.tuples(st.floats(0, 1e4), st.floats(0, 1e4), st.integers(-1, 2**40)).map(
        lambda keypoint: " ".join(map(repr, keypoint))
    ),
    max_size=4,
).map(" ".join)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(KEYPOINTS, min_size=4, max_size=4), end=st.sampled_from(["\n", "\r\n"]))
def test_two_lines_an_image_are_read_whatever_keypoints_it_has(
    tmp_path: Path, lines: list[str], end: str
) -> None:
    poses = [f"{i + 1} 1 0 0 0 {i} 0 0 7 photo {i}.png" for i in range(4)]
    text = end.join(line for pair in zip(poses, lines, strict=True) for line in pair)
    (tmp_path / "images.txt").write_text(text, newline="")
    images = read_text_images(tmp_path / "images.txt")
    assert [image.name for image in images] == [f"photo {i}.png" for i in range(4)]


@pytest.mark.parametrize("where", [0, 1, 2])
@pytest.mark.parametrize("name", ["{}.png", "left cam/{}.png", "{}"])
def test_a_pose_where_keypoints_belong_is_refused_with_its_line(
    tmp_path: Path, where: int, name: str
) -> None:
    """One line a photo, from some photo on: never is every other photo dropped in silence."""
    lines = ["# images"]
    for i in range(5):
        lines.append(f"{i} 1 0 0 0 0 0 0 7 {name.format(i)}")
        lines += [""] if i < where else []
    (tmp_path / "images.txt").write_text("\n".join(lines) + "\n")
    line = 2 * where + 3
    with pytest.raises(UserError, match=rf"images\.txt, line {line}: expected the keypoints of .*, found '"):
        read_text_images(tmp_path / "images.txt")


@pytest.mark.parametrize("junk", ["1.5 2.5", "1.5 2.5 x", "1.5 2.5 0.5", "# none", "1 2 3 4"])
def test_keypoints_that_are_none_are_refused(tmp_path: Path, junk: str) -> None:
    (tmp_path / "images.txt").write_text(f"1 1 0 0 0 0 0 0 7 a.png\n{junk}\n")
    with pytest.raises(UserError, match=r"line 2: expected the keypoints of 'a\.png'"):
        read_text_images(tmp_path / "images.txt")


def test_a_file_that_counts_more_photos_than_it_has_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_colmap_text(tmp_path, captured(3))
    path = root / "sparse/images.txt"
    for count in (3, 4):
        path.write_text(f"# Number of images: {count}, mean observations per image: 7\n" + path.read_text())
        ColmapReader().read(root, None)
        assert ("there are 4 entries, found 3" in caplog.text) == (count == 4)


def test_photos_that_points_were_seen_by_but_that_are_missing_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_colmap_text(tmp_path, captured(4))
    ColmapReader().read(root, None)
    assert not caplog.records
    path = root / "sparse/images.txt"
    path.write_text("\n".join(path.read_text().split("\n")[:-3]) + "\n")  # without its last photo
    assert len(ColmapReader().read(root, None).files) == 3
    assert "images.txt: 1 images are missing that points of points3D.txt were seen by" in caplog.text


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_text_files_may_have_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    root = write_colmap_text(tmp_path, captured(3))
    expected = ColmapReader().read(root, None).c2w
    for path in (root / "sparse").iterdir():
        path.write_text(path.read_text(), encoding=encoding)
    np.testing.assert_array_equal(ColmapReader().read(root, None).c2w, expected)


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("base", ["sparse", "dense/sparse"])
@pytest.mark.parametrize("large", ["0", "1", "10"])
def test_the_largest_of_several_models_is_read(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    write: Callable[[Path, Captured, str], Path],
    base: str,
    large: str,
) -> None:
    scene = captured(5)
    others = [number for number in ("0", "1", "10") if number != large]
    for number, count in zip(others, (2, 3), strict=True):
        write(tmp_path, subset(scene, 0, count), f"{base}/{number}")
    write(tmp_path, scene, f"{base}/{large}")
    posed = ColmapReader().read(tmp_path, None)
    assert len(posed.files) == 5
    assert posed.source.parent.name == large
    text = f"{base}/{large} (5 photos), {base}/{others[1]} (3 photos), {base}/{others[0]} (2 photos)"
    assert text in caplog.text
    asked_for = ColmapReader(model=f"{base}/{others[0]}")
    caplog.clear()
    assert len(asked_for.read(tmp_path, None).files) == 2
    assert not caplog.records
    assert {path.name for path in asked_for.files(tmp_path)} >= {posed.source.name, posed.files[0].name}


def test_a_model_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    for number in ("0", "1"):
        write_colmap_binary(tmp_path, captured(2), f"sparse/{number}")
    with pytest.raises(UserError, match=r"sparse/7: expected a COLMAP model .* has sparse/0, sparse/1\."):
        ColmapReader(model="sparse/7").read(tmp_path, None)


@pytest.mark.parametrize("model", ["../other/sparse/0", "/other/sparse/0"])
def test_models_outside_of_the_scene_are_refused(tmp_path: Path, model: str) -> None:
    """Their files would be no part of what identifies the scene."""
    write_colmap_binary(tmp_path / "other", captured(2))
    root = write_colmap_binary(tmp_path / "scene", captured(2))
    reader = ColmapReader(model=model.replace("/other", str(tmp_path / "other"), not model.startswith(".")))
    assert all(path.is_relative_to(root) and ".." not in path.parts for path in reader.files(root))
    with pytest.raises(UserError, match=r"expected a COLMAP model in the folder below the scene's"):
        reader.read(root, None)


def test_a_damaged_model_beside_a_sound_one_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number, count in (("0", 4), ("1", 2)):
        write_colmap_binary(tmp_path, captured(count), f"sparse/{number}")
    path = tmp_path / "sparse/0/images.bin"
    path.write_bytes(path.read_bytes()[:-9])
    assert len(ColmapReader().read(tmp_path, None).files) == 2
    assert "largest of sparse/1 (2 photos), sparse/0 (damaged)" in caplog.text


def test_models_are_in_numerical_order(tmp_path: Path) -> None:
    for name in ("sparse/10", "sparse/9", "sparse/0", "sparse/old", "dense/sparse/1"):
        (tmp_path / name).mkdir(parents=True)
    names = [[place.name for place in group] for group in possible_places(tmp_path)]
    assert names == [["dense/sparse", "dense/sparse/1"], ["sparse/0", "sparse/9", "sparse/10", "sparse"]]


@pytest.mark.parametrize("own", ["0", "1"])
def test_poses_of_other_files_take_the_points_of_the_model_in_their_frame(tmp_path: Path, own: str) -> None:
    scene = captured(4)
    other = "1" if own == "0" else "0"
    write_colmap_binary(tmp_path, scene, f"sparse/{own}")
    write_colmap_text(tmp_path, subset(scene, 0, 2, shift=50.0), f"sparse/{other}")
    write_llff(tmp_path, scene)
    points = LLFFReader().read(tmp_path, None).points
    assert points is not None
    np.testing.assert_array_equal(np.sort(points, axis=0), np.sort(scene.points, axis=0))
