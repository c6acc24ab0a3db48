"""COLMAP models: against COLMAP itself, against a real LLFF scene, and broken."""

from __future__ import annotations

import contextlib
import logging
import shutil
import struct
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from data.layouts import captured, world_to_camera, write_colmap_binary, write_colmap_text
from data.refusals import check_one_clear_message
from data.synthetic import assert_valid, read_llff, write_photos
from data.test_conventions import FERN, color_error, read_points
from normnex_pl.core.errors import UserError
from normnex_pl.core.types import Scene
from normnex_pl.data.planes.percentiles import Percentiles
from normnex_pl.data.readers.colmap import ColmapReader, read_model
from normnex_pl.data.readers.colmap_model import SparseReconstruction, c2w_of
from normnex_pl.data.scene.load import load_scene

WRITERS = {".bin": write_colmap_binary, ".txt": write_colmap_text}


def read(root: Path, width: int | None = None) -> Scene:
    """Read a scene by its COLMAP model."""
    scene = load_scene(root, width, ColmapReader())
    assert_valid(scene)
    return scene


@pytest.fixture(scope="module")
def pycolmap() -> Any:
    """Return COLMAP, as the oracle."""
    return pytest.importorskip("pycolmap", reason="pycolmap is not installed")


def synthesized(pycolmap: Any, camera: str, parameters: list[float]) -> Any:
    """Return a reconstruction that COLMAP makes up: two cameras, six registered photos."""
    options = pycolmap.SyntheticDatasetOptions()
    options.num_rigs, options.num_frames_per_rig, options.num_points3D = 2, 3, 40
    options.camera_model_id = getattr(pycolmap.CameraModelId, camera)
    options.camera_width, options.camera_height = 640, 480
    options.camera_params = parameters
    return pycolmap.synthesize_dataset(options)


def assert_is(model: SparseReconstruction, expected: Any) -> None:
    """Assert that a model is the one that COLMAP holds in memory."""
    assert {image.name for image in model.images} == {image.name for image in expected.images.values()}
    for image in model.images:
        original = expected.images[image.identifier]
        assert (image.name, image.camera) == (original.name, original.camera_id)
        matrix = original.cam_from_world().inverse().matrix()
        np.testing.assert_allclose(c2w_of(image), matrix, atol=1e-9)
    for identifier, camera in expected.cameras.items():
        lens = model.cameras[identifier]
        assert (lens.width, lens.height) == (camera.width, camera.height)
        K = [[lens.fx, 0, lens.cx], [0, lens.fy, lens.cy], [0, 0, 1]]
        np.testing.assert_allclose(K, camera.calibration_matrix())
    points = sorted(tuple(point.xyz) for point in expected.points3D.values())
    np.testing.assert_allclose(sorted(map(tuple, model.points.xyz)), points, atol=1e-9)
    observations = sorted(
        (*point.xyz.round(6), element.image_id)
        for point in expected.points3D.values()
        for element in point.track.elements
    )
    found = [
        (*model.points.xyz[point].round(6), image)
        for point, image in zip(model.points.observed, model.points.observer, strict=True)
    ]
    np.testing.assert_allclose(sorted(found), observations, atol=2e-6)


@pytest.mark.parametrize("form", ["binary", "text"])
@pytest.mark.parametrize(
    ("camera", "parameters", "distortion"),
    [
        ("SIMPLE_PINHOLE", [500.0, 320, 240], ()),
        ("PINHOLE", [500.0, 510, 320, 240], ()),
        ("SIMPLE_RADIAL", [500.0, 320, 240, 0.01], (0.01, 0)),
        ("RADIAL", [500.0, 320, 240, 0.01, 0.02], (0.01, 0.02)),
        ("OPENCV", [500.0, 510, 320, 240, 0.01, 0.02, 0.03, 0.04], (0.01, 0.02, 0.03, 0.04)),
        (
            "FULL_OPENCV",
            [500.0, 510, 320, 240, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08],
            (0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08),
        ),
    ],
)
def test_models_that_colmap_writes_are_read(
    tmp_path: Path,
    pycolmap: Any,
    form: str,
    camera: str,
    parameters: list[float],
    distortion: tuple[float, ...],
) -> None:
    expected = synthesized(pycolmap, camera, parameters)
    getattr(expected, f"write_{form}")(tmp_path)
    model = read_model(tmp_path)
    assert_is(model, expected)
    assert all(lens.distortion == distortion for lens in model.cameras.values())


@pytest.mark.parametrize("ending", WRITERS)
def test_models_of_the_tests_are_what_colmap_reads(tmp_path: Path, pycolmap: Any, ending: str) -> None:
    scene = captured(4)
    WRITERS[ending](tmp_path, replace(scene, points=scene.points[:1]), "model")
    folder = tmp_path / "model"
    if ending == ".bin":  # COLMAP checks that keypoints and tracks agree, which our points don't
        data = (folder / "points3D.bin").read_bytes()
        (folder / "points3D.bin").write_bytes(struct.pack("<Q", 0) + data[:0])
    else:
        (folder / "points3D.txt").write_text("")
        lines = (folder / "images.txt").read_text().replace("1.5 2.5 -1", "").splitlines()
        (folder / "images.txt").write_text("\n".join(lines) + "\n")
    reconstruction = pycolmap.Reconstruction()
    if ending == ".bin":
        data = (folder / "images.bin").read_bytes()
        for point in range(4):
            data = data.replace(struct.pack("<2dq", 1.5, 2.5, point), struct.pack("<2dq", 1.5, 2.5, -1))
        (folder / "images.bin").write_bytes(data)
    reconstruction.read(folder)
    assert_is(read_model(folder), reconstruction)


@pytest.mark.parametrize("place", ["sparse/0", "sparse", "dense/sparse", "dense/sparse/0"])
@pytest.mark.parametrize("ending", WRITERS)
def test_models_are_found_where_colmap_puts_them(tmp_path: Path, place: str, ending: str) -> None:
    WRITERS[ending](tmp_path, captured(3), place)
    posed = ColmapReader().read(tmp_path, None)
    assert posed.source == tmp_path / place / f"images{ending}"
    photos = tmp_path / "dense" / "images" if place.startswith("dense") else tmp_path / "images"
    assert posed.files == tuple(photos / f"view_00{i}.png" for i in range(3))


def test_undistorted_models_come_first_and_other_models_are_mentioned(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_colmap_binary(tmp_path, captured(3), "sparse/0")
    (tmp_path / "sparse" / "1").mkdir()
    ColmapReader().read(tmp_path, None)
    assert not caplog.records  # an empty folder is no model
    write_colmap_text(tmp_path, captured(2), "sparse/2")
    ColmapReader().read(tmp_path, None)
    assert "reading the largest of sparse/0 (3 photos), sparse/2 (2 photos)" in caplog.text
    write_colmap_text(tmp_path, captured(2), "dense/sparse")
    assert len(ColmapReader().read(tmp_path, None).files) == 2


def test_binary_files_are_read_unless_only_text_is_complete(tmp_path: Path) -> None:
    write_colmap_text(tmp_path, captured(3), "sparse/0")
    (tmp_path / "sparse/0/cameras.bin").write_bytes(b"of another model")
    assert ColmapReader().read(tmp_path, None).source.name == "images.txt"
    (tmp_path / "sparse/0/images.bin").write_bytes(b"")
    (tmp_path / "sparse/0/points3D.bin").write_bytes(b"")
    with pytest.raises(UserError, match=r"cameras\.bin: expected a complete file"):
        ColmapReader().read(tmp_path, None)


def test_photos_without_a_pose_are_left_out(tmp_path: Path) -> None:
    write_colmap_binary(tmp_path, captured(3))
    write_photos(tmp_path / "images", ["another.png"], (20, 20))
    assert [view.name for view in read(tmp_path).views] == ["view_000", "view_001", "view_002"]


def test_smaller_copies_may_have_another_ending(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_colmap_binary(tmp_path, captured(3))
    write_photos(tmp_path / "images_2", [f"view_00{i}.JPG" for i in range(3)], (8, 6))
    write_photos(tmp_path / "images_4", ["view_000.png", "image001.png"], (4, 3))
    with caplog.at_level(logging.INFO):
        assert ColmapReader().read(tmp_path, 8).files[0] == tmp_path / "images_2" / "view_000.JPG"
        # Of the copies in images_4 one can't be told from its name.
        assert ColmapReader().read(tmp_path, 4).files[0] == tmp_path / "images_2" / "view_000.JPG"
    assert ColmapReader().read(tmp_path, 9).files[0] == tmp_path / "images" / "view_000.png"


def test_photos_may_lie_in_folders_of_their_cameras(tmp_path: Path) -> None:
    scene = captured(2)
    write_colmap_text(tmp_path, scene)
    path = tmp_path / "sparse" / "images.txt"
    text = path.read_text().replace("view_000.png", "left cam/1.png").replace("view_001.png", "right/1.png")
    path.write_text(text)
    for name in ("left cam", "right"):
        write_photos(tmp_path / "images" / name, ["1.png"])
    assert [view.name for view in read(tmp_path).views] == ["left cam_1", "right_1"]


@pytest.mark.parametrize("ending", WRITERS)
def test_lenses_are_replaced_by_pinholes(tmp_path: Path, ending: str) -> None:
    scene = captured(3)
    root = WRITERS[ending](tmp_path, scene, "sparse", "SIMPLE_RADIAL", (60.0, 32.0, 24.0, 0.1))
    K = read(root).views[0].camera.K
    assert 15 < K[0, 0] < 15 * 1.1
    np.testing.assert_allclose(K, [[K[0, 0], 0, 8], [0, K[0, 0], 6], [0, 0, 1]])
    original = np.asarray(Image.open(root / "images" / "view_000.png"))
    image = read(root).views[0].image.numpy()
    assert (image != original).any()
    (root / "sparse" / f"cameras{ending}").unlink()
    shutil.rmtree(root / "sparse")
    WRITERS[ending](root, scene, "sparse", "OPENCV", (60.0, 60.0, 32.0, 24.0, 0.0, 0.0, 0.0, 0.0))
    np.testing.assert_array_equal(read(root).views[0].image, original)


def test_bounds_are_percentiles_of_the_points_that_a_view_sees(tmp_path: Path) -> None:
    scene = captured(3)
    root = write_colmap_text(tmp_path, scene)
    wide = ColmapReader().read(root, None).bounds
    narrow = ColmapReader(Percentiles(near=10.0, far=90.0)).read(root, None).bounds
    np.testing.assert_allclose(wide, scene.cameras.bounds)
    assert (wide[:, 0] < narrow[:, 0]).all()
    assert (narrow[:, 1] < wide[:, 1]).all()
    # A point that only the second view sees, and one that nobody sees.
    with (root / "sparse" / "points3D.txt").open("a") as file:
        file.write("900 0 0 500 1 2 3 0.5 13 0\n901 0 0 0.01 1 2 3 0.5\n")
    bounds = ColmapReader(Percentiles(0.0, 100.0)).read(root, None).bounds
    assert bounds[1, 1] > 490
    assert bounds[[0, 2], 1].max() < 10
    assert bounds[:, 0].min() > 2


def test_points_without_tracks_are_seen_where_they_project(tmp_path: Path) -> None:
    scene = captured(3)
    root = write_colmap_text(tmp_path, scene)
    path = root / "sparse" / "points3D.txt"
    lines = [" ".join(line.split()[:8]) for line in path.read_text().splitlines()[1:]]
    # Behind the cameras, and far to the side.
    path.write_text("\n".join([*lines, "900 0 0 -50 1 2 3 0.5", "901 500 0 20 1 2 3 0.5"]) + "\n")
    np.testing.assert_allclose(ColmapReader().read(root, None).bounds, scene.cameras.bounds)


@pytest.mark.parametrize("percentiles", [(-1, 50), (50, 50), (0, 101), (float("nan"), 99)])
def test_impossible_percentiles_are_refused(percentiles: tuple[float, float]) -> None:
    with pytest.raises(UserError, match=r"percentiles .* expected 0 <= near < far <= 100, found"):
        Percentiles(*map(float, percentiles))


def edit(root: Path, name: str, old: str, new: str) -> None:
    """Replace a word in a text file of the model."""
    path = root / "sparse" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


BREAKERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no images file": (
        lambda root: (root / "sparse/images.txt").unlink(),
        r"sparse/images\.txt: expected this file of a COLMAP model, found no such file",
    ),
    "no points file": (lambda root: (root / "sparse/points3D.txt").unlink(), r"points3D\.txt: expected this"),
    "no photos folder": (lambda root: shutil.rmtree(root / "images"), r"expected the photos in a folder"),
    "missing photo": (
        lambda root: (root / "images/view_001.png").unlink(),
        r"images/view_001\.png: expected a photo .* found 1 of 4 photos missing",
    ),
    "unknown camera model": (
        lambda root: edit(root, "cameras.txt", "PINHOLE", "FOV"),
        r"cameras\.txt: expected camera models among SIMPLE_PINHOLE, .* found FOV for camera 7",
    ),
    "too few parameters": (
        lambda root: edit(root, "cameras.txt", "PINHOLE", "OPENCV"),
        r"cameras\.txt, line 2: expected 'number model width height parameters...', found '7 OPENCV",
    ),
    "no cameras": (
        lambda root: (root / "sparse/cameras.txt").write_text("# nothing\n"),
        r"cameras\.txt: expected a camera 7, which took 'view_000\.png', found the cameras none",
    ),
    "no images": (
        lambda root: (root / "sparse/images.txt").write_text("# nothing\n"),
        r"images\.txt: expected the poses of photos, found none",
    ),
    "no points": (
        lambda root: (root / "sparse/points3D.txt").write_text(""),
        r"points3D\.txt: expected at least 8 points in front of each view, .* found 0 for 'view_000\.png'",
    ),
    "words for numbers": (
        lambda root: edit(root, "images.txt", "3 ", "three "),
        r"images\.txt, line 2: expected 'number qw qx qy qz tx ty tz camera name', found 'three",
    ),
    "odd track": (
        lambda root: edit(root, "points3D.txt", "0.5 3 0", "0.5 3"),
        r"points3D\.txt, line 2: expected 'number x y z .*', found",
    ),
    "negative focal length": (
        lambda root: edit(root, "cameras.txt", " 60.0", " -60.0"),
        r"cameras\.txt, camera 7: expected a positive .* focal length .* fx -60",
    ),
    "photos of another shape": (
        lambda root: edit(root, "cameras.txt", "64 48", "64 40"),
        r"images\.txt: expected photos shaped like the 64x40 pixels .* found 16x12",
    ),
    "photos of two sizes": (
        lambda root: write_photos(root / "images", ["view_003.png"], (20, 15)),
        r"view_003\.png: expected 16x12 pixels as in 3 of 4 photos, found 20x15",
    ),
    "not text": (
        lambda root: (root / "sparse/images.txt").write_bytes(b"\xff\xfe\x00\xd8"),
        r"images\.txt: expected a text file of a COLMAP model, found something else",
    ),
    "the same photo twice": (
        lambda root: edit(root, "images.txt", "view_002.png", "view_001.png"),
        r"images\.txt: expected each photo once, found 'view_001\.png' listed twice",
    ),
    "the same number twice": (
        lambda root: edit(root, "images.txt", "\n13 ", "\n3 "),
        r"images\.txt: expected images with different numbers, found 3 2 times",
    ),
    "the same camera twice": (
        lambda root: edit(root, "cameras.txt", "# Camera list", "7 SIMPLE_PINHOLE 64 48 70 32 24"),
        r"cameras\.txt: expected cameras with different numbers, found 7 twice",
    ),
}


@pytest.mark.parametrize("name", BREAKERS)
def test_a_broken_model_is_one_clear_message(tmp_path: Path, name: str) -> None:
    breaker, says = BREAKERS[name]
    root = write_colmap_text(tmp_path / "scene", captured(4))
    check_one_clear_message(root, read, breaker, says)


@pytest.mark.parametrize("value", ["nan", "inf", "0", "1e200"])
@pytest.mark.parametrize("word", [1, 5])
def test_poses_that_are_none_are_refused(tmp_path: Path, value: str, word: int) -> None:
    """Replace the quaternion, or a component of the translation."""
    root = write_colmap_text(tmp_path, captured(3))
    path = root / "sparse" / "images.txt"
    lines = path.read_text().split("\n")
    words = lines[1].split()
    words[1:5] = [value if word == 1 else w for w in words[1:5]]
    words[word] = value
    lines[1] = " ".join(words)
    path.write_text("\n".join(lines))
    if (word, value) == (5, "0"):
        read(root)  # a translation may be zero
        return
    with pytest.raises(UserError, match=r"expected .* found"):
        read(root)


@pytest.mark.parametrize("name", ["cameras.bin", "images.bin", "points3D.bin"])
def test_truncated_and_longer_files_are_refused(tmp_path: Path, name: str) -> None:
    root = write_colmap_binary(tmp_path, captured(3))
    path = root / "sparse/0" / name
    data = path.read_bytes()
    for length in {0, 1, 7, 8, 20, len(data) // 2, len(data) - 1}:
        path.write_bytes(data[:length])
        with pytest.raises(
            UserError, match=rf"{name}: expected a complete file .* found the end of the file"
        ):
            read(root)
    path.write_bytes(data + b"\0\0")
    with pytest.raises(UserError, match=rf"{name}: expected a complete file .* found 2 bytes after its end"):
        read(root)
    path.write_bytes(b"\xff" * 8 + data[8:])
    with pytest.raises(UserError, match=rf"{name}: expected"):
        read(root)


def test_unknown_camera_numbers_are_refused(tmp_path: Path) -> None:
    root = write_colmap_binary(tmp_path, captured(3))
    path = root / "sparse/0/cameras.bin"
    data = bytearray(path.read_bytes())
    struct.pack_into("<i", data, 12, 5)
    path.write_bytes(bytes(data))
    with pytest.raises(UserError, match=r"expected camera models among .* found number 5 for camera 7"):
        read(root)


@pytest.fixture(scope="module", params=WRITERS)
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return a valid scene of 3 views, with few points, by relative path."""
    scene = captured(3)
    small = replace(scene, points=scene.points[:8])
    root = WRITERS[request.param](tmp_path_factory.mktemp("scene"), small, "sparse")
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_damaged_models_are_a_scene_or_a_message(files: dict[str, bytes], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(key for key in files if key.startswith("sparse"))))
    damaged = bytearray(files[name])
    position = data.draw(st.integers(0, len(damaged) - 1))
    if data.draw(st.booleans()):
        damaged[position] = data.draw(st.integers(0, 255))
    else:
        del damaged[position : position + data.draw(st.integers(1, 40))]
    with tempfile.TemporaryDirectory() as folder:
        for path, content in (files | {name: bytes(damaged)}).items():
            (Path(folder) / path).parent.mkdir(exist_ok=True)
            (Path(folder) / path).write_bytes(content)
        with contextlib.suppress(UserError):
            read(Path(folder))


@pytest.fixture(scope="module")
def fern_by_llff() -> Scene:
    """Return the LLFF scene by its pose file, whose focal length ignores the lens."""
    if not FERN.is_dir():
        pytest.skip(f"the LLFF scene fern is not at {FERN}")
    return read_llff(FERN, 504)


def images_file(c2w: NDArray[np.float64], names: list[str]) -> bytes:
    """Return ``images.bin`` without keypoints, which the scene lacks. Images count from 1."""
    records = [
        struct.pack("<I7dI", index + 1, *np.concatenate(world_to_camera(pose)), 1)
        + name.encode()
        + b"\0"
        + struct.pack("<Q", 0)
        for index, (pose, name) in enumerate(zip(c2w, names, strict=True))
    ]
    return struct.pack("<Q", len(records)) + b"".join(records)


@pytest.fixture(scope="module")
def fern_by_colmap(fern_by_llff: Scene, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Return the same scene by its sparse model, moved and turned, with poses in ``images.bin``."""
    root = tmp_path_factory.mktemp("fern")
    (root / "images_4").symlink_to(FERN / "images_4")
    shutil.copytree(FERN / "sparse", root / "sparse")
    rows = np.load(FERN / "poses_bounds.npy")[:, :15].reshape(-1, 3, 5)
    down, right, backward, position = np.moveaxis(rows[:, :, :4], 2, 0)
    c2w = np.stack([right, down, -backward, position], axis=2)
    names = sorted(path.name for path in (FERN / "images_4").glob("*.png"))
    (root / "sparse/0/images.bin").write_bytes(images_file(c2w, names))
    return read(root, 504)


def test_a_real_model_gives_the_cameras_of_the_pose_file(fern_by_llff: Scene, fern_by_colmap: Scene) -> None:
    one, other = fern_by_llff, fern_by_colmap
    assert (one.train, one.test, one.reference) == (other.train, other.test, other.reference)
    for a, b in zip(one.views, other.views, strict=True):
        assert a.name == b.name
        np.testing.assert_allclose(a.camera.c2w, b.camera.c2w, atol=1e-5)
    np.testing.assert_allclose(
        [one.geometry.near, one.geometry.far], [other.geometry.near, other.geometry.far], rtol=1e-4
    )


def test_a_real_lens_becomes_a_pinhole_that_sees_a_little_less(
    fern_by_llff: Scene, fern_by_colmap: Scene
) -> None:
    """Radial coefficient 0.0198: 1 % at the corners' radius of 0.77."""
    one, other = fern_by_llff.views[0], fern_by_colmap.views[0]
    assert 1.003 < float(other.camera.K[0, 0] / one.camera.K[0, 0]) < 1.015
    np.testing.assert_allclose(one.camera.K[:2, 2], other.camera.K[:2, 2])
    difference = (one.rgb - other.rgb).abs()
    middle = difference[160:220, 220:280]
    assert middle.mean() < 0.5 * difference.mean()
    assert other.image.float().mean() == pytest.approx(float(one.image.float().mean()), rel=0.02)


def test_colours_of_a_real_point_cloud_match_better_without_the_distortion(
    fern_by_llff: Scene, fern_by_colmap: Scene
) -> None:
    """The pose file has no distortion, which moves the corners by three pixels at this width."""
    points = read_points(FERN / "sparse" / "0" / "points3D.bin")
    error = color_error(fern_by_colmap, points)
    assert error < 0.85 * color_error(fern_by_llff, points)
    for shift in [(2, 0), (-2, 0), (0, 2), (0, -2)]:
        assert color_error(fern_by_colmap, points, shift=shift) > 1.2 * error, f"shifted by {shift}"
