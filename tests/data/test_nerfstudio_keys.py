"""The keys of ``transforms.json`` as nerfstudio, instant-ngp and capture apps write them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.layouts import Captured, captured, transforms_content, write_nerfstudio, write_ply
from data.synthetic import write_photos
from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.posed import PosedPhotos
from normnex_pl.data.readers.named_photos import locate_photo, without_ending
from normnex_pl.data.readers.nerfstudio import NerfstudioReader
from normnex_pl.data.scene.load import load_scene


def edit(root: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the content of ``transforms.json`` in place."""
    content = json.loads((root / "transforms.json").read_text())
    change(content)
    (root / "transforms.json").write_text(json.dumps(content))


def read(root: Path) -> PosedPhotos:
    """Read a scene by its transforms, without its photos."""
    return NerfstudioReader().read(root, None)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was warned of since the last call."""
    found = [record.message for record in caplog.records if record.levelname == "WARNING"]
    caplog.clear()
    return found


OTHER_LENSES = {
    "is_fisheye": True,
    "fisheye_crop_radius": 500.0,
    "equirectangular": True,
    "latlong": 1,
    "orthographic": True,
    "distortion_params": [0.1, 0, 0, 0, 0, 0],
    "ftheta_p0": 0.0,
    "ftheta_p1": 0.003,
    "from_mitsuba": True,
    "k4": 0.01,
    "k6": 0.01,
    "camera_model": "EQUIRECTANGULAR",
}


@pytest.mark.parametrize("place", ["top", "frame"])
@pytest.mark.parametrize("key", OTHER_LENSES)
def test_lenses_and_axes_that_are_not_supported_are_refused(tmp_path: Path, key: str, place: str) -> None:
    write_nerfstudio(tmp_path, captured(3))
    edit(
        tmp_path,
        lambda content: (content if place == "top" else content["frames"][1]).update(
            {key: OTHER_LENSES[key]}
        ),
    )
    frame = 0 if place == "top" else 1
    with pytest.raises(UserError, match=rf"transforms\.json, frame {frame}: expected .*, found"):
        read(tmp_path)


def test_flags_that_are_off_change_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Read them as instant-ngp writes them for a pinhole."""
    write_nerfstudio(tmp_path, captured(3))
    expected = read(tmp_path)
    off = {"is_fisheye": False, "k4": 0, "k3": 0.0, "distortion_params": [0.0] * 6, "latlong": None}
    edit(tmp_path, lambda content: content.update(off, mask_path=None, rolling_shutter=[0, 0, 0]))
    found = read(tmp_path)
    assert found.intrinsics == expected.intrinsics
    assert not warnings(caplog)


def test_keys_that_are_not_used_are_warned_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_nerfstudio(tmp_path, captured(5))
    read(tmp_path)
    assert not warnings(caplog)

    def add(content: dict[str, Any]) -> None:
        content.update(aabb_scale=16, applied_transform=[[1, 0, 0, 0]], flavour="new")
        for frame in content["frames"]:
            frame.update(mask_filename="masks/1.png", depth_file_path="depth/1.png", sharpness=30.5)

    edit(tmp_path, add)
    read(tmp_path)
    [text] = warnings(caplog)
    assert "mask_filename (masks are named by 'mask_path')" in text
    for key in ("depth_file_path", "applied_transform", "aabb_scale", "sharpness", "flavour"):
        assert text.count(key) == 1


def test_very_many_unknown_keys_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_nerfstudio(tmp_path, captured(3), **{f"key_{i}": 1 for i in range(100)})
    read(tmp_path)
    [text] = warnings(caplog)
    assert text.endswith("and 88 more")


def test_points_that_are_not_there_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_nerfstudio(tmp_path, captured(3))
    (tmp_path / "sparse_pc.ply").rename(tmp_path / "other.ply")
    (tmp_path / "planes.txt").write_text("2 9\n")
    assert read(tmp_path).points is None
    assert (
        "sparse_pc.ply: expected the points that transforms.json names, found no such file"
        in warnings(caplog)[0]
    )


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(row=st.lists(st.floats(-1e-6, 1e-6), min_size=4, max_size=4), frame=st.integers(0, 2))
def test_the_last_row_of_a_matrix_may_be_rounded(tmp_path: Path, row: list[float], frame: int) -> None:
    scene = captured(3)
    content = transforms_content(scene)
    content["frames"][frame]["transform_matrix"][3] = (np.array([0, 0, 0, 1.0]) + row).tolist()
    if not (tmp_path / "images").exists():
        write_nerfstudio(tmp_path, scene)
    (tmp_path / "transforms.json").write_text(json.dumps(content))
    np.testing.assert_allclose(read(tmp_path).c2w, scene.cameras.c2w, atol=1e-12)


@pytest.mark.parametrize(
    "row", [[0, 0, 0, 0.999], [1e-3, 0, 0, 1], [0, 0, 1, 0], [0, 0, 0, 2], [0, 0, 0, None]]
)
def test_a_last_row_that_differs_is_refused(tmp_path: Path, row: list[Any]) -> None:
    write_nerfstudio(tmp_path, captured(3))
    edit(tmp_path, lambda content: content["frames"][1]["transform_matrix"].__setitem__(3, row))
    with pytest.raises(UserError, match=r"frame 1: expected 'transform_matrix' that ends with 0, 0, 0, 1"):
        read(tmp_path)


@pytest.mark.parametrize("key", ["w", "h"])
def test_half_a_size_is_refused(tmp_path: Path, key: str) -> None:
    write_nerfstudio(tmp_path, captured(3), **{key: None})
    with pytest.raises(UserError, match=rf"frame 0: expected the key '{key}', found"):
        read(tmp_path)


@pytest.mark.parametrize("value", [True, "60", [60.0]])
def test_numbers_are_numbers(tmp_path: Path, value: object) -> None:
    write_nerfstudio(tmp_path, captured(3), fl_x=value)
    with pytest.raises(UserError, match=r"frame 0: expected a number as 'fl_x', found"):
        read(tmp_path)


def test_a_key_that_stands_twice_in_an_object_is_refused(tmp_path: Path) -> None:
    write_nerfstudio(tmp_path, captured(3))
    path = tmp_path / "transforms.json"
    path.write_text(path.read_text().replace('{"camera_model"', '{"w": 65, "camera_model"'))
    with pytest.raises(UserError, match=r"an object has the key 'w' twice"):
        read(tmp_path)


@pytest.mark.parametrize("again", ["images/view_001.png", "./images/view_001.png", "images/view_001"])
def test_a_photo_that_is_listed_twice_is_named(tmp_path: Path, again: str) -> None:
    write_nerfstudio(tmp_path, captured(3))
    edit(tmp_path, lambda content: content["frames"].append({**content["frames"][0], "file_path": again}))
    with pytest.raises(
        UserError, match=r"transforms\.json: expected each photo once, found 'images/view_001"
    ) as e:
        read(tmp_path)
    assert "listed twice" in str(e.value)


DOTTED = st.text("ab.1 ", min_size=1, max_size=6).filter(
    lambda name: name.strip(". ") and name[0] not in " ."
)


@settings(max_examples=40, deadline=None)
@given(
    name=DOTTED, other=DOTTED, ending=st.sampled_from([".png", ".PNG", ".JPG", ".Jpeg"]), full=st.booleans()
)
def test_dots_in_names_are_no_endings(
    tmp_path_factory: pytest.TempPathFactory, name: str, other: str, ending: str, full: bool
) -> None:
    """A photo is found with its ending or without, and nothing else stands in for one that is missing."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / (other + ending)).touch()
    found = locate_photo(folder / (name + ending if full else name))
    assert (found is not None) == (name == other)
    assert without_ending(name + ending) == name


@pytest.mark.parametrize("wanted", ["t.9", "t.png.9", "T.9.png"])
def test_another_photo_does_not_stand_in_for_a_missing_one(tmp_path: Path, wanted: str) -> None:
    scene = captured(3)
    write_nerfstudio(tmp_path, scene)
    write_photos(tmp_path / "rgb", ["t.png", "t.1.png", "t.2.png"])
    names = iter(["rgb/t.1", "rgb/t.2", f"rgb/{wanted}"])
    edit(tmp_path, lambda content: [frame.update(file_path=next(names)) for frame in content["frames"]])
    with pytest.raises(UserError, match=rf"rgb/{wanted}: expected a photo there"):
        read(tmp_path)


def test_lists_name_photos_with_dots(tmp_path: Path) -> None:
    scene = captured(3)
    write_nerfstudio(tmp_path, scene)
    names = ["v.1", "v.2", "v"]
    for old, new in zip(scene.names, names, strict=True):
        (tmp_path / "images" / old).rename(tmp_path / "images" / f"{new}.PNG")
    paths = iter(names)
    edit(
        tmp_path,
        lambda content: [frame.update(file_path=f"images/{next(paths)}") for frame in content["frames"]],
    )
    (tmp_path / "val_image.txt").write_text("v.2\n")
    scene_read = load_scene(tmp_path, None, NerfstudioReader())
    assert [scene_read.views[index].name for index in scene_read.test] == ["v.2"]
    (tmp_path / "val_image.txt").write_text("v.3\n")
    with pytest.raises(UserError, match=r"val_image\.txt: expected names of photos .*, found 'v\.3'"):
        load_scene(tmp_path, None, NerfstudioReader())


def shifted(scene: Captured, shift: tuple[float, float, float], single: bool) -> tuple[Any, Any]:
    """Return poses and points far from the origin, the points in single precision if wanted."""
    points = scene.points + shift
    return scene.cameras.c2w + np.concatenate([np.zeros((3, 3)), np.array(shift)[:, None]], axis=1), (
        points.astype(np.float32).astype(np.float64) if single else points
    )


@pytest.mark.parametrize(
    ("shift", "single", "coarse"),
    [
        ((512345.25, 5401234.75, 431.5), True, True),
        ((0.0, -9e4, 0.0), True, True),
        ((512345.25, 5401234.75, 431.5), False, False),
        ((10.0, 100.0, 0.0), True, False),
        ((0.0, 0.0, 0.0), True, False),
    ],
)
def test_points_too_far_away_for_single_precision_are_warned_of(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    shift: tuple[float, float, float],
    single: bool,
    coarse: bool,
) -> None:
    scene = captured(4)
    write_nerfstudio(tmp_path, scene)
    c2w, points = shifted(scene, shift, single)
    write_ply(tmp_path / "sparse_pc.ply", points)
    matrices = iter((c2w * [1, -1, -1, 1]).tolist())
    edit(
        tmp_path,
        lambda content: [frame.update(transform_matrix=next(matrices)) for frame in content["frames"]],
    )
    load_scene(tmp_path, None, NerfstudioReader())
    said = [text for text in warnings(caplog) if "single precision" in text]
    assert len(said) == coarse
