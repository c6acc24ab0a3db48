"""Stills by `normnex export`, moving ones by `normnex video`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from normnex_pl.core.errors import UserError
from normnex_pl.evaluation.pictures.colors import to_bytes
from normnex_pl.export.baked.image import BakedMPI
from normnex_pl.export.baked.pipeline import BakeSettings, bake
from normnex_pl.export.baked.renderers import render_image
from normnex_pl.export.formats import FORMATS
from normnex_pl.export.formats.stereo import StereoFormat, baked_viewpoints, middle_camera
from normnex_pl.export.paths import capture_width, fixed_camera, rig_of_cameras, spiral
from normnex_pl.export.stereo.eyes import EYE_SHARE, Eyes
from normnex_pl.export.stereo.layouts import Quilt, SideBySide
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
    baked = BakedMPI.read(run / "mpi")
    camera = middle_camera(baked)
    viewpoints = baked_viewpoints(baked, camera, SideBySide(), Eyes())
    width = capture_width(torch.tensor(baked.manifest.viewpoints))
    assert viewpoints.offsets[1] - viewpoints.offsets[0] == pytest.approx(EYE_SHARE * width)
    expected = [to_bytes(render_image(baked, one)["rgb"]) for one in viewpoints.around(camera)]
    with Image.open(path) as picture:
        found = np.asarray(picture)
    np.testing.assert_array_equal(found, np.concatenate(expected, axis=1))
    assert (expected[0] != expected[1]).any()


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
    frames = list(StereoVideo(SideBySide(), eyes).frames(source, path, ["render"], rig, 0.2))
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
    video = StereoVideo(SideBySide(), Eyes(0.5, 3.0))
    first, second, _ = video.frames(source, path, ["render"], rig, 0.2)
    assert (first != second).any()  # the highlights move


@pytest.mark.parametrize("names", [["render", "depth"], ["photo"]])
def test_stereo_shows_one_rendered_component(names: list[str]) -> None:
    mpi = make_mpi("grid")
    rig = rig_of_cameras(torch.stack([camera.c2w for camera in CAMERAS]), mpi.geometry)
    source = FrameSource(mpi, None, 16, 12, 1000)
    with pytest.raises(UserError, match="--components: expected one rendered component"):
        StereoVideo(SideBySide(), Eyes()).frames(source, spiral(rig, 1), names, rig, 0.2)
