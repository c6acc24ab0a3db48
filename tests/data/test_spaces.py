"""The Spaces data set's ``models.json``: its conventions, and broken files."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.layouts import captured, spaces_content, write_spaces
from data.refusals import check_one_clear_message
from data.synthetic import assert_valid, write_photos
from normnex_pl.core.types import Scene
from normnex_pl.data.readers.spaces import SpacesReader
from normnex_pl.data.scene.load import load_scene

# Of a camera of the data set's first scene, shortened, with an orientation that is easy to follow.
CAMERA = {
    "pixel_aspect_ratio": 0.998,
    "position": [-0.1, 0.02, 0.3],
    "width": 800.0,
    "relative_path": "cam_01/image_000.JPG",
    "principal_point": [397.5, 241.25],
    "orientation": [0.0, 0.1, 0.0],
    "focal_length": 223.0,
    "height": 471.0,
}


def read(root: Path) -> Scene:
    """Read a scene by its models."""
    scene = load_scene(root, None, SpacesReader())
    assert_valid(scene)
    return scene


def test_a_camera_worked_by_hand(tmp_path: Path) -> None:
    """Turn it about y, so that points on the world's x axis move in the camera by sines and cosines."""
    other = CAMERA | {"relative_path": "cam_00/image_000.JPG", "orientation": [0, 0, 0]}
    (tmp_path / "models.json").write_text(json.dumps([[CAMERA, other]]))
    for folder in ("cam_00", "cam_01"):
        write_photos(tmp_path / folder, ["image_000.JPG"])
    posed = SpacesReader().read(tmp_path, None)
    assert [path.parent.name for path in posed.files] == ["cam_00", "cam_01"]
    lens = posed.intrinsics[1]
    assert (lens.width, lens.height, lens.fx, lens.cx, lens.cy) == (800, 471, 223, 397.5, 241.25)
    assert lens.fy == pytest.approx(223 * 0.998)
    np.testing.assert_array_equal(posed.c2w[0, :, :3], np.eye(3))
    # World to camera is the turn by 0.1 about y: x = (1, 0, 0) becomes (cos, 0, -sin).
    in_camera = posed.c2w[1, :, :3].T @ [1, 0, 0]
    np.testing.assert_allclose(in_camera, [math.cos(0.1), 0, -math.sin(0.1)], atol=1e-9)
    np.testing.assert_allclose(posed.c2w[1, :, 3], [-0.1, 0.02, 0.3])
    np.testing.assert_array_equal(posed.bounds, [[1, 100]] * 2)


def test_depths_come_from_planes_if_they_are_there(tmp_path: Path) -> None:
    root = write_spaces(tmp_path, captured(3))
    assert read(root).geometry.near == pytest.approx(4 / 3)
    (root / "planes.txt").write_text("0.6 60 1 200")
    posed = SpacesReader().read(root, None)
    np.testing.assert_array_equal(posed.bounds, [[0.6, 60]] * 3)
    geometry = read(root).geometry
    np.testing.assert_allclose([geometry.near, geometry.far], [4 / 3, 400 / 3])
    assert geometry.spacing == "disparity"


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turns=st.lists(st.tuples(*[st.floats(-3, 3)] * 3), min_size=2, max_size=2))
def test_orientations_of_any_length_are_rotations(
    tmp_path: Path, turns: list[tuple[float, float, float]]
) -> None:
    content = spaces_content(captured(2), 1)
    for camera, turn in zip(content[0], turns, strict=True):
        camera["orientation"] = turn
    write_photos(tmp_path / "photos", ["view_000.png", "view_001.png"])
    (tmp_path / "models.json").write_text(json.dumps(content))
    rotations = SpacesReader().read(tmp_path, None).c2w[:, :, :3]
    np.testing.assert_allclose(rotations @ rotations.swapaxes(1, 2), [np.eye(3)] * 2, atol=1e-6)
    for rotation, turn in zip(rotations, turns, strict=True):
        # The axis stays where it is, and the trace tells the angle.
        np.testing.assert_allclose(rotation @ turn, turn, atol=1e-5)
        assert np.trace(rotation) == pytest.approx(1 + 2 * math.cos(math.hypot(*turn)), abs=1e-5)


def with_camera(**changes: Any) -> Callable[[Path], object]:
    """Return a breaker that changes keys of the second rig position's first camera; None removes one."""

    def breaker(root: Path) -> None:
        content = json.loads((root / "models.json").read_text())
        camera = content[1][0] | changes
        content[1][0] = {key: value for key, value in camera.items() if value is not None}
        (root / "models.json").write_text(json.dumps(content))

    return breaker


def with_text(text: str) -> Callable[[Path], object]:
    """Return a breaker that replaces the file."""
    return lambda root: (root / "models.json").write_text(text)


HERE = r"models\.json, rig position 1, camera 0: "
BREAKERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "not JSON": (with_text("[[{"), r"models\.json: expected a JSON file, found"),
    "binary": (
        lambda root: (root / "models.json").write_bytes(b"\xff\xfe"),
        r"models\.json: expected a JSON",
    ),
    "an object": (with_text("{}"), r"models\.json: expected a list of rig positions, found \{\}"),
    "no rig": (with_text("[]"), r"models\.json: expected a list of rig positions, found \[\]"),
    "no cameras": (with_text("[[]]"), r"rig position 0: expected a list of cameras, found \[\]"),
    "nested too deep": (with_text("[" * 100000), r"models\.json: expected a JSON file"),
    "missing key": (with_camera(focal_length=None), HERE + "expected the key 'focal_length', found width, "),
    "word": (with_camera(focal_length="long"), HERE + "expected a number as 'focal_length', found 'long'"),
    "too few numbers": (with_camera(position=[1, 2]), HERE + "expected 3 numbers as 'position', found"),
    "NaN pose": (with_camera(position=[1, 2, math.nan]), HERE + "expected finite numbers, found NaN"),
    "NaN orientation": (
        with_camera(orientation=[1, 2, math.nan]),
        HERE + "expected finite numbers, found NaN",
    ),
    "huge orientation": (with_camera(orientation=[1e300, 0, 0]), HERE + "expected finite numbers, found NaN"),
    "zero focal length": (with_camera(focal_length=0), HERE + "expected a positive .* fx 0, fy 0"),
    "centre outside": (with_camera(principal_point=[-3, 5]), HERE + "expected .* inside the image, found"),
    "missing photo": (
        with_camera(relative_path="cam_09/a.JPG"),
        r"cam_09/a\.JPG: expected a photo there .* as .*rig position 1, camera 0 says, found none",
    ),
    "no path": (with_camera(relative_path=3), HERE + "expected a text as 'relative_path', found 3"),
    "another shape": (
        with_camera(height=60.0),
        r"models\.json: expected photos shaped like the 64x60 pixels",
    ),
    "the same photo twice": (
        with_camera(relative_path="photos/view_000.png"),
        r"models\.json: expected each photo once, found 'photos/view_000\.png' listed twice",
    ),
    "fisheye": (
        with_camera(projection_type="fisheye"),
        r"camera 0: expected a pinhole as 'projection_type', found 'fisheye'",
    ),
    "distortion": (
        with_camera(radial_distortion=[0.1, 0.0]),
        r"camera 0: expected no 'radial_distortion', found \[0\.1, 0\.0\]",
    ),
}


@pytest.mark.parametrize("name", BREAKERS)
def test_a_broken_scene_is_one_clear_message(tmp_path: Path, name: str) -> None:
    breaker, says = BREAKERS[name]
    root = write_spaces(tmp_path / "scene", captured(4))
    check_one_clear_message(root, read, breaker, says)


def test_keys_that_are_not_understood_are_listed_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_spaces(tmp_path, captured(4))
    read(root)
    assert not [record for record in caplog.records if "keys" in record.message]
    with_camera(radial_distortion=[0, 0], projection_type="pinhole", exposure=0.5, name="")(root)
    read(root)
    [record] = [record for record in caplog.records if "keys" in record.message]
    assert record.message.endswith("models.json: these keys are not used: exposure")
