"""Input that can't become a scene ends with one clear message, and nothing is written."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pycolmap
import pytest
from PIL import Image

from capture.conftest import call, contents, write_images
from capture.rendering import box_on_floor, lens, look_at, orbit_cameras, render, room
from normnex_pl.capture.options import PrepareOptions
from normnex_pl.data.readers.llff import LLFFReader

NAMES = [f"{number}.jpg" for number in range(8)]


def write_video(path: Path, frames: list[np.ndarray]) -> Path:
    """Write an MP4 of some frames."""
    height, width, _ = frames[0].shape
    writer = imageio_ffmpeg.write_frames(str(path), (width, height), fps=10, quality=8)
    writer.send(None)
    for frame in frames:
        writer.send(np.ascontiguousarray(frame))
    writer.close()
    return path


def still(count: int) -> list[np.ndarray]:
    """Return frames of a camera that doesn't move."""
    return [np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)] * count


def no_photos(root: Path) -> Path:
    (root / "a.dng").write_bytes(b"raw")
    return root


def only_a_video(root: Path) -> Path:
    (root / "clip.MOV").write_bytes(b"")
    return root


def four_photos(root: Path) -> Path:
    return write_images(root, NAMES[:4])


def broken_photo(root: Path) -> Path:
    write_images(root, NAMES)
    (root / NAMES[3]).write_bytes(b"no photo")
    return root


def half_a_photo(root: Path) -> Path:
    write_images(root, NAMES)
    whole = (root / NAMES[5]).read_bytes()
    (root / NAMES[5]).write_bytes(whole[: len(whole) // 2])
    return root


def two_shapes(root: Path) -> Path:
    write_images(root, NAMES)
    return write_images(root, ["high.jpg"], (240, 320))


def one_name_twice(root: Path) -> Path:
    write_images(root, NAMES)
    return write_images(root, ["3.PNG"])


def tiny_photos(root: Path) -> Path:
    return write_images(root, NAMES, (200, 150))


def empty_video(root: Path) -> Path:
    (root / "clip.mp4").write_bytes(b"")
    return root / "clip.mp4"


def no_video(root: Path) -> Path:
    (root / "clip.mp4").write_text("this is text")
    return root / "clip.mp4"


def short_video(root: Path) -> Path:
    return write_video(root / "clip.mp4", still(3))


def still_video(root: Path) -> Path:
    return write_video(root / "clip.mp4", still(40))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (no_photos, "expected photos that end in .jpg, .*, found 1 x .dng. Export them as JPEG"),
        (only_a_video, r"found 1 x .mov. For a scene of a video, give the file itself: '.*clip.MOV'"),
        (four_photos, "expected at least 6 photos, better 15 to 40, found 4"),
        (broken_photo, "3.jpg: expected a readable photo, found damaged or other data"),
        (half_a_photo, "5.jpg: expected a readable photo, found damaged or other data"),
        (
            two_shapes,
            "expected photos of one shape, .* found 8 of 320x240, 1 of 240x320 .* Take out high.jpg",
        ),
        (one_name_twice, "expected photos whose names differ before the ending, found 3.PNG, 3.jpg"),
        (tiny_photos, "expected photos of at least 240 pixels on the shorter side, found 200x150"),
        (empty_video, "clip.mp4: expected a folder of photos or a video, found neither"),
        (no_video, "clip.mp4: expected a folder of photos or a video, found neither"),
        (short_video, "clip.mp4: expected a video of at least 6 frames, found 3"),
        (still_video, "clip.mp4: expected at least 6 frames that differ, found 1"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_is_given_must_be_usable(tmp_path: Path, make: Callable[[Path], Path], message: str) -> None:
    (tmp_path / "given").mkdir()
    given = make(tmp_path / "given")
    before = contents(tmp_path / "given")
    status, output = call(given, tmp_path / "scene")
    assert status == 2
    (line,) = (line for line in output.splitlines() if line.startswith("error: "))
    assert re.search(message, line), line
    assert not (tmp_path / "scene").exists()
    assert contents(tmp_path / "given") == before


def test_paths_and_numbers_are_checked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = write_images(tmp_path / "photos", NAMES)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "something").write_text("")
    for photo_path, scene, words, message in (
        (tmp_path / "nowhere", tmp_path / "s", (), "found nothing there"),
        (photos, photos, (), "outside of that of the photos"),
        (photos, photos / "scene", (), "outside of that of the photos"),
        (photos, tmp_path / "file", (), "expected a folder for the scene, found a file"),
        (photos, tmp_path.parent, (), "found the working directory or one above it"),
        *((photos, Path(name), (), "found the working directory or one") for name in (".", "..", "../here")),
        (photos, tmp_path / "full", (), "remove the folder"),
        (photos, tmp_path / "s", ("--longest=100",), "--longest: expected at least 320, found 100"),
        (photos, tmp_path / "s", ("--frames=1",), "--frames: expected at least 6, found 1"),
    ):
        status, output = call(photo_path, scene, *words)
        assert status == 2
        assert message in output
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "file", "full", "here"}


@pytest.mark.skipif(pycolmap.has_cuda, reason="this pycolmap can use a GPU")
def test_a_gpu_that_colmap_cannot_use_is_refused(tmp_path: Path) -> None:
    photos = write_images(tmp_path / "photos", NAMES)
    status, output = call(photos, tmp_path / "scene", "--device=cuda")
    assert status == 2
    assert "--device: expected a pycolmap that was built with CUDA, found one without" in output


def test_stopping_it_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("normnex_pl.cli.prepare._prepare", stop)
    status, output = call(tmp_path, tmp_path / "scene")
    assert status == 130
    assert "Stopped. The same command goes on from here." in output


def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycolmap", None)
    for name in [name for name in sys.modules if name.startswith("normnex_pl.capture.")]:
        if name != PrepareOptions.__module__:  # which the command has imported already
            monkeypatch.delitem(sys.modules, name)
    status, output = call(tmp_path, tmp_path / "scene")
    assert status == 2
    assert "expected this package of the extra 'capture', found none" in output


@pytest.mark.slow
def test_unrelated_pictures_are_refused(tmp_path: Path) -> None:
    photos = write_images(tmp_path / "photos", NAMES)
    status, output = call(photos, tmp_path / "scene")
    assert status == 2
    assert "expected photos of one scene from several places, found 0 of 8" in output
    assert "0 of 28 pairs with something in common" in output
    log = tmp_path / "scene.prepare" / "prepare.log"
    assert str(log) in output
    assert "feature_matching" in log.read_text()
    assert not (tmp_path / "scene").exists()


@pytest.mark.slow
def test_photos_of_nearly_one_place_are_refused(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(6):
        pose = look_at(np.array([0.003 * number, 0.002 * (number % 3), 0]), np.array([0.0, 0.0, 4.0]))
        Image.fromarray(render(lens(320, 240, 270), pose, room())).save(photos / f"{number}.png")
    status, output = call(photos, tmp_path / "scene")
    assert status == 2
    assert "15 of 15 pairs with something in common. They overlap, but show no depth: move" in output


@pytest.mark.slow
def test_a_walk_around_an_object_is_refused_unless_wanted(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, pose in enumerate(orbit_cameras(18)):
        Image.fromarray(render(lens(360, 270, 300), pose, box_on_floor())).save(photos / f"{number:02}.png")
    words = (photos, tmp_path / "scene")
    status, output = call(*words)
    assert status == 2
    assert "expected photos that face the scene from one side, found optical axes up to" in output
    assert "the camera goes around the scene" in output
    assert not (tmp_path / "scene").exists()

    status, output = call(*words, "--anyway")
    assert status == 0
    assert "3/4" not in output  # the cameras are those that were found before
    assert "WARNING: expected photos that face the scene from one side" in output
    assert len(LLFFReader().read(tmp_path / "scene", None).files) > 12
