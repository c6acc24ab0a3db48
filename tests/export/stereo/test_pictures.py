"""Stills by `normnex export`, moving ones by `normnex video`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from export.small_models import baked, make
from normnex_pl.core.errors import UserError
from normnex_pl.evaluation.pictures.colors import to_bytes
from normnex_pl.export.baked.image import BakedMPI
from normnex_pl.export.baked.pipeline import BakeSettings, bake
from normnex_pl.export.baked.renderers import render_image
from normnex_pl.export.formats import FORMATS
from normnex_pl.export.formats.stereo import StereoFormat, baked_viewpoints, middle_camera
from normnex_pl.export.paths import capture_width, fixed_camera, rig_of_cameras, spiral
from normnex_pl.export.stereo.eyes import EYE_SHARE, Eyes, spread_viewpoints
from normnex_pl.export.stereo.layouts import SIDE_BY_SIDE, Quilt
from normnex_pl.export.video.frames import FrameSource
from normnex_pl.export.video.stereo import StereoVideo
from support.small import make_mpi, moved, reference_camera

CAMERAS = [moved(reference_camera(), x) for x in (-0.1, 0.0, 0.1)]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    bake(make_mpi("grid"), CAMERAS, tmp_path / "run" / "mpi", BakeSettings(threshold=0.0), {})
    return tmp_path / "run"


def test_a_pair_shows_the_baked_image_from_both_eyes(run: Path, tmp_path: Path) -> None:
    path = FORMATS["side_by_side"].write(run, tmp_path / "out" / "desk.png")
    assert path == tmp_path / "out" / "desk_side_by_side.png"
    image = BakedMPI.read(run / "mpi")
    camera = middle_camera(image)
    viewpoints = baked_viewpoints(image, camera, SIDE_BY_SIDE, Eyes())
    width = capture_width(torch.tensor(image.manifest.viewpoints))
    assert viewpoints.offsets[1] - viewpoints.offsets[0] == pytest.approx(EYE_SHARE * width)
    expected = [to_bytes(render_image(image, one)["rgb"]) for one in viewpoints.around(camera)]
    with Image.open(path) as picture:
        found = np.asarray(picture)
    np.testing.assert_array_equal(found, np.concatenate(expected, axis=1))
    assert (expected[0] != expected[1]).any()


@pytest.mark.parametrize("eyes", [Eyes(), Eyes(distance=1.0)])
def test_photos_from_one_place_make_no_pair_that_looks_flat(eyes: Eyes, tmp_path: Path) -> None:
    bake(make_mpi("grid"), [reference_camera()], tmp_path / "mpi", BakeSettings(threshold=0.0), {})
    with pytest.raises(UserError, match="side_by_side: expected photos from places beside each other"):
        StereoFormat(SIDE_BY_SIDE, eyes).write(tmp_path, tmp_path / "desk.png")
    assert not list(tmp_path.glob("*.png"))


def test_a_quilt_is_named_as_its_display_expects(run: Path, tmp_path: Path) -> None:
    path = StereoFormat(Quilt(3, 2)).write(run, tmp_path / "desk.png")
    assert path.name == "desk_qs3x2a1.3333.png"
    with Image.open(path) as picture:
        assert picture.size == (3 * 16, 2 * 12)
    again = StereoFormat(Quilt(3, 2), Eyes(distance=0.5)).write(run, path)
    assert again == path  # named already, and replaced
    path.write_bytes(b"mine")
    with pytest.raises(UserError, match="found another file"):
        StereoFormat(Quilt(3, 2)).write(run, path)


def test_frames_of_a_video_show_the_model_from_both_eyes() -> None:
    mpi = make_mpi("grid")
    rig = rig_of_cameras(torch.stack([camera.c2w for camera in CAMERAS]), mpi.geometry)
    source = FrameSource(mpi, None, 16, 12, 1000)
    path = spiral(rig, 2)
    eyes = Eyes(distance=0.5, convergence=3.0)
    frames = list(StereoVideo(SIDE_BY_SIDE, eyes).frames(source, path, ["render"], rig, 0.2))
    assert len(frames) == 2
    for frame, c2w in zip(frames, path.c2w, strict=True):
        for side, offset in enumerate((-0.05, 0.05)):
            camera = source.camera(c2w)
            K, pose = camera.K.clone(), camera.c2w.clone()
            K[0, 2] += K[0, 0] * offset / 3
            pose[:, 3] += offset * pose[:, 0]
            shown = mpi.render_image(type(camera)(K, pose, 16, 12))["rgb"]
            half = frame[:, 16 * side : 16 * (side + 1)]
            np.testing.assert_allclose(half, to_bytes(shown), atol=1)


def test_a_fixed_camera_keeps_its_own_colours_for_each_eye() -> None:
    mpi = make_mpi("grid")
    rig = rig_of_cameras(torch.stack([camera.c2w for camera in CAMERAS]), mpi.geometry)
    source = FrameSource(mpi, None, 16, 12, 1000)
    path = fixed_camera(rig, 3)
    video = StereoVideo(SIDE_BY_SIDE, Eyes(0.5, 3.0))
    first, second, _ = video.frames(source, path, ["render"], rig, 0.2)
    assert (first != second).any()  # the highlights move


@pytest.mark.parametrize("names", [["render", "depth"], ["photo"]])
def test_stereo_shows_one_rendered_component(names: list[str]) -> None:
    mpi = make_mpi("grid")
    rig = rig_of_cameras(torch.stack([camera.c2w for camera in CAMERAS]), mpi.geometry)
    source = FrameSource(mpi, None, 16, 12, 1000)
    with pytest.raises(UserError, match="--components: expected one rendered component"):
        StereoVideo(SIDE_BY_SIDE, Eyes()).frames(source, spiral(rig, 1), names, rig, 0.2)


@pytest.mark.parametrize("plane", [0, 3])
def test_a_known_point_has_its_disparity_in_the_pictures(plane: int, tmp_path: Path) -> None:
    """A clear image but for one opaque column of one plane: where it lies in both pictures is measured."""
    image = baked(make("rgb"), tmp_path)
    g, column = image.geometry, 9
    image.alpha.ranges[..., 0], image.alpha.ranges[..., 1] = 0.0, 1.0
    image.alpha.tiles.zero_()
    texel = column + 1  # of the tile, after its border
    image.alpha.tiles[int(image.alpha.slots[plane, 0, 0]), :, texel] = 255
    span, convergence = 0.2, 3.0
    camera = reference_camera()
    found = []
    for eye in spread_viewpoints(2, span, convergence).around(camera):
        across = render_image(image, eye)["acc"].double().sum(dim=0)
        found.append(float((across * (torch.arange(camera.width) + 0.5)).sum() / across.sum()))
    depth = float(image.depths[plane])
    assert found[0] - found[1] == pytest.approx(g.fx * span * (1 / depth - 1 / convergence), abs=0.05)
    middle = column + 0.5 - g.padding
    assert sum(found) / 2 == pytest.approx(middle, abs=0.05)
