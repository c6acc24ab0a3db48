"""The same scene through every reader, and how the kind of a folder is found."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.spatial.transform import Rotation

from data.layouts import (
    LAYOUTS,
    SIZE,
    Captured,
    captured,
    spaces_content,
    write_colmap_text,
    write_llff,
    write_nerfstudio,
    write_spaces,
)
from data.photo_files import ORIENTED
from data.synthetic import assert_valid, write_photos
from normnex_pl.core.errors import UserError
from normnex_pl.core.types import Scene
from normnex_pl.data.datamodule import SceneDataModule
from normnex_pl.data.photos.decode import load_photos
from normnex_pl.data.photos.folders import photos_below
from normnex_pl.data.readers.auto import READERS, AnyKind
from normnex_pl.data.readers.base import SceneReader
from normnex_pl.data.readers.colmap import ColmapReader
from normnex_pl.data.readers.llff import LLFFReader
from normnex_pl.data.readers.nerfstudio import NerfstudioReader
from normnex_pl.data.readers.spaces import SpacesReader
from normnex_pl.data.scene.load import load_scene


def read(root: Path, reader: SceneReader | None = None, width: int | None = None) -> Scene:
    """Read a scene whose kind isn't told."""
    scene = load_scene(root, width, reader or AnyKind())
    assert_valid(scene)
    return scene


def assert_same(one: Scene, other: Scene) -> None:
    """Assert that two scenes have the same views, cameras and planes, in units of the scene's world."""
    assert [view.name for view in one.views] == [view.name for view in other.views]
    assert (one.train, one.test, one.reference) == (other.train, other.test, other.reference)
    for a, b in zip(one.views, other.views, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_allclose(a.camera.K, b.camera.K, atol=1e-5)
        np.testing.assert_allclose(a.camera.c2w, b.camera.c2w, atol=1e-5)
    np.testing.assert_allclose(one.geometry.near, other.geometry.near, rtol=1e-5)
    np.testing.assert_allclose(one.geometry.far, other.geometry.far, rtol=1e-5)
    np.testing.assert_allclose(one.source_from_world, other.source_from_world, atol=1e-5)


def with_bounds(scene: Captured, near: float, far: float) -> Captured:
    """Return the scene with the bounds that Spaces scenes have."""
    bounds = np.tile([near, far], (len(scene.names), 1))
    return replace(scene, cameras=replace(scene.cameras, bounds=bounds))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_cameras_that_were_written(tmp_path: Path, layout: str) -> None:
    scene = captured()
    if layout == "spaces":
        scene = with_bounds(scene, 1, 100)
    read_back = read(LAYOUTS[layout](tmp_path, scene))
    unit = 0.75 * scene.cameras.bounds[:, 0].min()
    matrix = read_back.source_from_world.double().numpy()
    for view, c2w in zip(read_back.views, scene.cameras.c2w, strict=True):
        found = matrix[:3, :3] / unit @ view.camera.c2w.double().numpy()[:, :3]
        np.testing.assert_allclose(found, c2w[:, :3], atol=1e-5)
        centre = matrix[:3, :3] @ view.camera.c2w[:, 3].double().numpy() + matrix[:3, 3]
        np.testing.assert_allclose(centre, c2w[:, 3], atol=1e-5 * unit)
        scale = SIZE[0] / scene.size[0]
        fx, fy, cx, cy = (scale * value for value in scene.pinhole)
        np.testing.assert_allclose(view.camera.K, [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], rtol=1e-6)


@pytest.mark.parametrize("orientation", [3, 6, 7])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_poses_belong_to_the_stored_pixels(tmp_path: Path, layout: str, orientation: int) -> None:
    """Ignore EXIF orientations, as programs that estimate poses do."""
    root = LAYOUTS[layout](tmp_path, captured())
    before = read(root)
    for path in photos_below(root):
        path.write_bytes(ORIENTED["png"](Image.open(path), orientation))
    assert_same(read(root), before)


@settings(max_examples=3, deadline=None)
@given(
    fx=st.floats(40, 90),
    fy=st.floats(40, 90),
    cx=st.floats(24, 40),
    cy=st.floats(18, 30),
)
def test_layouts_that_can_have_any_lens_give_the_one_that_was_written(
    tmp_path_factory: pytest.TempPathFactory, fx: float, fy: float, cx: float, cy: float
) -> None:
    scene = replace(captured(3), lens=(fx, fy, cx, cy))
    root = tmp_path_factory.mktemp("scenes")
    for layout in LAYOUTS.keys() - {"llff"}:
        for view in read(LAYOUTS[layout](root / layout, scene)).views:
            expected = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 4]]) / 4
            np.testing.assert_allclose(view.camera.K, expected, rtol=1e-5)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 1000),
    turn=st.tuples(*[st.floats(-3, 3)] * 3),
    scale=st.floats(0.1, 10),
    focal=st.integers(50, 70),
)
def test_all_readers_agree_in_any_world(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    turn: tuple[float, float, float],
    scale: float,
    focal: int,
) -> None:
    still = captured(5, seed)
    rotation = Rotation.from_rotvec(turn).as_matrix()
    cameras = replace(
        still.cameras,
        c2w=np.concatenate(
            [rotation @ still.cameras.c2w[:, :, :3], scale * rotation @ still.cameras.c2w[:, :, 3:]], axis=2
        ),
        bounds=still.cameras.bounds * scale,
        hwf=(48, 64, focal),
    )
    scene = Captured(cameras, scale * still.points @ rotation.T)
    root = tmp_path_factory.mktemp("scenes")
    expected = read(write_llff(root / "llff", scene))
    for layout in ("shiny", "colmap binary", "colmap text", "nerfstudio"):
        found = read(LAYOUTS[layout](root / layout, scene))
        for a, b in zip(expected.views, found.views, strict=True):
            np.testing.assert_allclose(a.camera.K, b.camera.K, atol=1e-5)
            np.testing.assert_allclose(a.camera.c2w, b.camera.c2w, atol=1e-5)
        np.testing.assert_allclose(
            [found.geometry.near, found.geometry.far],
            [expected.geometry.near, expected.geometry.far],
            rtol=1e-5,
        )
    near = 1.5 * scale
    fixed = with_bounds(scene, near, 50 * scale)
    spaces = read(write_spaces(root / "spaces", fixed), SpacesReader(near, 50 * scale))
    llff = read(write_llff(root / "llff_fixed", fixed))
    for a, b in zip(llff.views, spaces.views, strict=True):
        np.testing.assert_allclose(a.camera.K, b.camera.K, atol=1e-5)
        np.testing.assert_allclose(a.camera.c2w, b.camera.c2w, atol=1e-5)


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout not in ("llff", "spaces")])
def test_every_reader_gives_the_scene_that_llff_gives(tmp_path: Path, layout: str) -> None:
    scene = captured()
    assert_same(read(write_llff(tmp_path / "llff", scene)), read(LAYOUTS[layout](tmp_path / "other", scene)))


def test_spaces_gives_the_scene_that_llff_gives_with_its_bounds(tmp_path: Path) -> None:
    scene = with_bounds(captured(), 1, 100)
    assert_same(read(write_llff(tmp_path / "llff", scene)), read(write_spaces(tmp_path / "spaces", scene)))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_photos_may_be_scaled_down(tmp_path: Path, layout: str) -> None:
    root = LAYOUTS[layout](tmp_path, captured(3))
    full, small = read(root), read(root, width=8)
    for a, b in zip(full.views, small.views, strict=True):
        np.testing.assert_allclose(b.camera.K[:2], a.camera.K[:2] / 2, rtol=1e-6)
        np.testing.assert_allclose(b.camera.c2w, a.camera.c2w, atol=1e-6)


@pytest.mark.parametrize(
    ("layout", "in_file_units"),
    [("llff", False), ("shiny", False), ("colmap text", True), ("spaces", True), ("nerfstudio", True)],
)
def test_planes_file_is_in_units_of_the_files_except_for_llff(
    tmp_path: Path, layout: str, in_file_units: bool
) -> None:
    root = LAYOUTS[layout](tmp_path, captured(3))
    (root / "planes.txt").write_text("2.5 20 1 63")
    scene = read(root)
    unit = float(scene.source_from_world[:3, :3].norm(dim=0)[0]) if in_file_units else 1
    np.testing.assert_allclose(
        [scene.geometry.near, scene.geometry.far], np.array([2.5, 20]) / unit, rtol=1e-6
    )
    assert (scene.geometry.spacing, scene.geometry.padding) == ("disparity", 1)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_lists_of_photos_decide_about_the_split_in_every_layout(tmp_path: Path, layout: str) -> None:
    root = LAYOUTS[layout](tmp_path, captured(5))
    assert read(root).test == (0,)
    (root / "val_image.txt").write_text("view_001.png\nview_004\n")
    assert read(root).test == (1, 4)


def test_the_kind_of_a_folder_is_found_in_a_documented_order(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scene = captured(3)
    sources = []
    for write in (write_colmap_text, write_nerfstudio, write_spaces, write_llff):
        write(tmp_path, scene)
        with caplog.at_level(logging.INFO):
            sources.append(AnyKind().read(tmp_path, None).source.name)
    assert sources == ["images.txt", "transforms.json", "models.json", "poses_bounds.npy"]
    assert "read by LLFFReader (also possible: SpacesReader, NerfstudioReader, ColmapReader)" in caplog.text


@pytest.mark.parametrize("reader", [LLFFReader(), SpacesReader(), NerfstudioReader(), ColmapReader()])
def test_a_reader_may_be_chosen(tmp_path: Path, reader: SceneReader) -> None:
    scene = captured(3)
    for write in (write_colmap_text, write_nerfstudio, write_spaces, write_llff):
        write(tmp_path, scene)
    assert reader.recognises(tmp_path)
    data = SceneDataModule(tmp_path, reader=reader)
    assert_valid(data.scene)
    assert data.draw_rays(0, 0, data.scene.views[0].image.device).rgb.isfinite().all()


def test_each_reader_recognises_its_own_kind_alone(tmp_path: Path) -> None:
    readers = {
        "llff": LLFFReader(),
        "colmap text": ColmapReader(),
        "spaces": SpacesReader(),
        "nerfstudio": NerfstudioReader(),
    }
    for layout in readers:
        root = LAYOUTS[layout](tmp_path / layout, captured(2))
        assert [other for other, reader in readers.items() if reader.recognises(root)] == [layout]
        assert AnyKind().recognises(root)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("width", [None, 8])
def test_a_reader_needs_no_other_files_than_it_lists(tmp_path: Path, layout: str, width: int | None) -> None:
    root = LAYOUTS[layout](tmp_path / "scene", captured(3))
    write_photos(
        root / ("dense" if layout == "colmap dense" else ".") / "images_2", captured(3).names, (8, 6)
    )
    [reader] = (reader for kind in READERS if (reader := kind()).recognises(root))
    for path in reader.files(root):
        copy = tmp_path / "copy" / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    assert_same(read(root, reader, width), read(tmp_path / "copy", reader, width))


def test_points_beside_poses_are_listed_too(tmp_path: Path) -> None:
    write_colmap_text(tmp_path, captured(3))
    write_llff(tmp_path, captured(3))
    assert tmp_path / "sparse" / "points3D.txt" in set(LLFFReader().files(tmp_path))


def test_hidden_files_are_not_listed(tmp_path: Path) -> None:
    write_photos(tmp_path / ".trash", ["a.png"])
    write_photos(tmp_path, [".b.png"])
    (tmp_path / ".c.ply").write_text("")
    assert not list(AnyKind().files(tmp_path))


def test_a_reader_that_is_listed_is_asked(tmp_path: Path) -> None:
    for kind in READERS:
        assert kind().looks_for in AnyKind().looks_for
    with pytest.raises(UserError, match=r"expected a scene with models\.json \(Spaces\), found none"):
        AnyKind([SpacesReader()]).read(tmp_path, None)


def test_a_folder_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(UserError, match=r"expected a scene with poses_bounds\.npy .* found none of these"):
        AnyKind().read(tmp_path, None)
    with pytest.raises(UserError, match="expected a folder with a scene, found nothing there"):
        AnyKind().read(tmp_path / "nowhere", None)
    assert not AnyKind().recognises(tmp_path)


@pytest.mark.parametrize("reader", [LLFFReader(), SpacesReader(), NerfstudioReader(), ColmapReader()])
def test_every_reader_says_what_it_misses(tmp_path: Path, reader: SceneReader) -> None:
    assert not reader.recognises(tmp_path)
    with pytest.raises(UserError, match=r"expected .* found") as caught:
        reader.read(tmp_path, None)
    assert str(caught.value).startswith(str(tmp_path))


def rig(root: Path, heights: list[int], width: int = 16) -> Path:
    """Return three positions of a rig whose cameras have pictures of different heights."""
    content = spaces_content(captured(3 * len(heights)))
    for position, cameras in enumerate(content):
        for index, camera in enumerate(cameras):
            path = f"cam_{index:02}/image_{position:03}.JPG"
            lens = {"principal_point": [8.0, heights[index] / 2], "focal_length": 15.0 + index}
            camera |= lens | {"relative_path": path, "width": float(width), "height": float(heights[index])}
            write_photos(root / f"cam_{index:02}", [f"image_{position:03}.JPG"], (width, heights[index]))
    (root / "models.json").write_text(json.dumps(content))
    return root


def test_photos_of_nearly_one_size_are_cropped_about_their_centres(tmp_path: Path) -> None:
    scene = read(rig(tmp_path, [14, 12, 13]))
    assert (scene.geometry.width, scene.geometry.height) == (16, 12)
    by_camera = [scene.views[3 * index].camera.K for index in range(3)]
    assert [float(K[0, 0]) for K in by_camera] == [15, 16, 17]
    assert [float(K[1, 2]) for K in by_camera] == [6, 6, 6.5]  # 13 rows: all of the odd one is below
    original = SpacesReader().read(tmp_path, None)
    (photo,) = load_photos(original.files[:1], None)
    np.testing.assert_array_equal(scene.views[0].image, photo[1:13])


def test_photos_of_very_different_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"sizes that differ by less than 15%, found .*16x12 \(3\), 16x8 \(3\)"
    ):
        read(rig(tmp_path, [12, 8, 12][:2]))


def test_photos_of_several_folders_get_names_of_their_own(tmp_path: Path) -> None:
    root = rig(tmp_path, [12, 12])
    (root / "train_image.txt").write_text("cam_00/image_000.JPG\ncam_00/image_002\n./cam_01/image_001\n")
    scene = read(root)
    assert [view.name for view in scene.views] == [
        f"cam_0{camera}_image_00{position}" for camera in range(2) for position in range(3)
    ]
    assert scene.train == (0, 2, 4)
