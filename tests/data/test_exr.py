"""OpenEXR photos, which are linear, and others with wide pixels: one curve for all photos of a scene."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.color import rgb2xyz

from data.synthetic import SIZE, forward_facing, read_llff, write_png16, write_scene
from normnex_pl.cli.inspect_report import report
from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.conversion import conversion_of
from normnex_pl.data.photos.decode import load_photos
from normnex_pl.data.photos.exr import read_exr, tone_map, white_of
from normnex_pl.data.photos.header import read_header
from normnex_pl.data.survey.survey import survey
from support.small import few

Linear = NDArray[np.float32]


def linear_photo(seed: int = 0, brightness: float = 1.0) -> Linear:
    values = np.random.default_rng(seed).gamma(1.0, 0.3, (SIZE[1], SIZE[0], 3))
    return (brightness * values).astype(np.float32)


def write_exr(path: Path, pixels: NDArray[Any], names: str = "RGB", **header: Any) -> Path:
    channels = {name: np.ascontiguousarray(pixels[..., index]) for index, name in enumerate(names)}
    basics = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(basics | header, channels).write(str(path))
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a scene whose photos are OpenEXR files; one is brighter than the others."""
    folder = write_scene(tmp_path / "scene", forward_facing(5))
    for index in range(5):
        (folder / "images" / f"view_{index:03}.png").unlink()
        write_exr(folder / "images" / f"view_{index:03}.exr", linear_photo(index, 2.0 if index == 3 else 1.0))
    return folder


@few
@given(st.floats(1e-3, 1e3))
def test_the_curve_is_that_of_srgb(white: float) -> None:
    """An independent library takes the bytes back to linear light: rows of XYZ sum up to the white point."""
    linear = np.random.default_rng(0).uniform(0, 1, (6, 7, 1)).astype(np.float32).repeat(3, axis=2)
    shown = np.asarray(tone_map(white * linear, white))
    back = rgb2xyz(shown / 255.0)[..., 1]
    np.testing.assert_allclose(back, linear[..., 0], atol=0.005)


def test_light_beyond_white_is_clipped() -> None:
    linear = np.array([[[0.0, 2.0, np.inf], [-1.0, 1.0, 4.0]]], dtype=np.float32)
    assert np.asarray(tone_map(linear, 2.0)).tolist() == [[[0, 255, 255], [0, 188, 255]]]


def test_white_is_a_percentile_of_all_photos_and_scales_with_them(tmp_path: Path) -> None:
    photos = [linear_photo(seed) for seed in range(3)]
    files = [write_exr(tmp_path / f"{seed}.exr", photo) for seed, photo in enumerate(photos)]
    brighter = [write_exr(tmp_path / f"b{seed}.exr", 8 * photo) for seed, photo in enumerate(photos)]
    luminances = [photo[::4, ::4] @ [0.2126, 0.7152, 0.0722] for photo in photos]
    assert white_of(files) == pytest.approx(np.percentile(np.concatenate(luminances), 99.5), rel=1e-5)
    assert white_of(brighter) == pytest.approx(8 * white_of(files), rel=1e-5)
    assert white_of([]) == white_of([write_exr(tmp_path / "black.exr", 0 * photos[0])]) == 1.0


def test_all_photos_of_a_scene_get_the_same_curve(root: Path) -> None:
    scene = read_llff(root, None)
    white = white_of(sorted((root / "images").iterdir()))
    for index, view in enumerate(scene.views):
        expected = tone_map(linear_photo(index, 2.0 if index == 3 else 1.0), white)
        np.testing.assert_array_equal(view.image.numpy(), np.asarray(expected))
    text = scene.conversion
    assert text.startswith(
        f"5 OpenEXR photos, tone-mapped by one curve: linear {white:.3g}, percentile 99.5 "
    )
    assert "5 OpenEXR photos, tone-mapped" in " ".join(report(survey(scene, 8), [], None).split())


def test_exr_photos_beside_usual_ones_are_left_alone(root: Path) -> None:
    """They are often depths."""
    write_scene(root, forward_facing(5))
    scene = read_llff(root, None)
    assert {path.suffix for path in scene.photos} == {".png"}
    assert scene.conversion == ""


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_halves_greys_and_alpha_are_read(tmp_path: Path, kind: type) -> None:
    rgba = np.random.default_rng(0).random((SIZE[1], SIZE[0], 4)).astype(kind)
    np.testing.assert_array_equal(
        read_exr(write_exr(tmp_path / "a.exr", rgba, "RGBA")), rgba.astype(np.float32)
    )
    header = read_header(tmp_path / "a.exr")
    assert (header.has_alpha, header.size("stored"), header.size("upright")) == (True, SIZE, SIZE)
    grey = read_exr(write_exr(tmp_path / "grey.exr", rgba, "Y"))
    np.testing.assert_array_equal(grey, rgba[..., :1].astype(np.float32).repeat(3, axis=2))


def test_colours_are_premultiplied_already_and_alpha_is_a_mask(root: Path) -> None:
    rgba = np.concatenate([linear_photo(1), np.ones((SIZE[1], SIZE[0], 1), np.float32)], axis=2)
    rgba[:4, :, 3] = 0.5
    plain = read_llff(root, None).views[1]
    write_exr(root / "images" / "view_001.exr", rgba, "RGBA")
    view = read_llff(root, None).views[1]
    assert view.mask is not None
    np.testing.assert_array_equal(view.mask.numpy(), rgba[..., 3] == 1)
    np.testing.assert_array_equal(view.image.numpy(), plain.image.numpy())


def test_not_a_numbers_are_black(tmp_path: Path) -> None:
    linear = linear_photo()
    linear[2, 3] = np.nan
    path = write_exr(tmp_path / "a.exr", linear)
    assert (read_exr(path)[2, 3] == 0).all()
    assert np.isfinite(white_of([path]))


def refused(path: Path, says: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Assert that a photo is refused in one message, and nothing else is printed."""
    with pytest.raises(UserError, match=says) as caught:
        load_photos([path], None)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("keep", [6, 40, 200, 600, 1200])
def test_a_damaged_file_is_one_clear_message(
    tmp_path: Path, keep: int, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write_exr(tmp_path / "a.exr", linear_photo())
    path.write_bytes(path.read_bytes()[:keep])
    refused(path, "expected a readable photo, found damaged or other data", capfd)


def test_files_that_hold_something_else_are_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    depth = write_exr(tmp_path / "depth.exr", linear_photo(), "Z")
    refused(depth, r"expected a photo with the channels R, G and B, or Y, found Z\.", capfd)
    window = (np.array([0, 0], np.int32), np.array([99, 99], np.int32))
    part = write_exr(tmp_path / "part.exr", linear_photo(), displayWindow=window)
    refused(part, r"found a data window of 16x12 at 0, 0 in a display window of 100x100 at 0, 0", capfd)
    parts = [OpenEXR.Part({"name": name}, {"RGB": linear_photo()}) for name in ("left", "right")]
    OpenEXR.File(parts).write(str(tmp_path / "two.exr"))
    refused(tmp_path / "two.exr", "found B, G, R in 2 parts", capfd)


def test_without_the_library_the_message_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write_exr(tmp_path / "a.exr", linear_photo())
    monkeypatch.setitem(__import__("sys").modules, "OpenEXR", None)
    refused(path, r"found OpenEXR\. Install normnex_pl\[exr\]", capfd)


def test_output_of_others_is_kept(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    read_exr(write_exr(tmp_path / "a.exr", linear_photo()))
    os.write(2, b"later")
    assert capfd.readouterr().err == "later"


def test_wide_pixels_are_told_of(tmp_path: Path) -> None:
    write_png16(tmp_path / "wide.png", np.full((12, 16, 3), 300, np.uint16))
    write_scene(tmp_path, forward_facing(2))
    wide, narrow = (read_header(tmp_path / name) for name in ("wide.png", "images/view_000.png"))
    assert conversion_of([wide, narrow]).description == "1 photos of 16 bits a channel, scaled to 8"
    assert conversion_of([narrow]).description == ""
