"""Pictures of several viewpoints in one."""

from __future__ import annotations

import subprocess

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import Camera
from normnex_pl.export.stereo.anaglyph import anaglyph, decode_table
from normnex_pl.export.stereo.layouts import (
    HALF_SIDE_BY_SIDE,
    LAYOUTS,
    SIDE_BY_SIDE,
    Quilt,
    crop_camera,
    scale_camera,
)

Picture = NDArray[np.uint8]


def plain(value: int, width: int = 8, height: int = 6) -> Picture:
    return np.full((height, width, 3), value, np.uint8)


def camera(width: int, height: int) -> Camera:
    K = torch.tensor([[50.0, 0, width / 2 + 1], [0, 50.0, height / 2 - 1], [0, 0, 1]])
    return Camera(K, torch.eye(3, 4), width, height)


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_names_and_describes_itself(name: str) -> None:
    layout = LAYOUTS[name]
    assert layout.name == name
    assert layout.summary
    assert layout.views >= 2
    assert layout.span(1.0, 2.0) > 0
    pictures = [plain(i) for i in range(layout.views)]
    assert layout.join(pictures).dtype == np.uint8


def test_the_left_eyes_picture_is_on_the_left() -> None:
    joined = SIDE_BY_SIDE.join([plain(10), plain(200)])
    assert joined.shape == (6, 16, 3)
    assert (joined[:, :8] == 10).all()
    assert (joined[:, 8:] == 200).all()


@pytest.mark.parametrize("width", [8, 9])
def test_half_pictures_are_means_of_columns(width: int) -> None:
    ramp = np.broadcast_to(np.arange(width, dtype=np.uint8)[None, :, None] * 10, (4, width, 3))
    joined = HALF_SIDE_BY_SIDE.join([ramp, ramp])
    half = -(-width // 2)
    assert joined.shape == (4, 2 * half, 3)
    assert (joined[:, :half] == joined[:, half:]).all()
    if width % 2 == 0:
        np.testing.assert_array_equal(joined[0, :half, 0], [5, 25, 45, 65])


def test_a_quilts_first_view_is_at_the_bottom_left_and_rows_go_upwards() -> None:
    quilt = Quilt(columns=3, rows=2)
    joined = quilt.join([plain(i) for i in range(6)])
    assert joined.shape == (12, 24, 3)
    cells = joined[::6, ::8, 0]
    np.testing.assert_array_equal(cells, [[3, 4, 5], [0, 1, 2]])


@pytest.mark.parametrize(
    ("quilt", "size", "mark"),
    [
        (Quilt(), (400, 300), "_qs8x6a1.3333"),
        (Quilt(aspect=0.75), (400, 300), "_qs8x6a0.75"),
        (Quilt(5, 9, 1.77778), (504, 378), "_qs5x9a1.7778"),
    ],
)
def test_a_quilts_name_says_how_to_read_it(quilt: Quilt, size: tuple[int, int], mark: str) -> None:
    assert quilt.mark(quilt.fit(camera(*size))) == mark


def test_a_quilts_views_have_its_shape_and_fit_a_graphics_card() -> None:
    view = Quilt(aspect=0.75).fit(camera(4000, 3000))
    assert view.width / view.height == pytest.approx(0.75, abs=0.01)
    assert max(8 * view.width, 6 * view.height) <= 4096
    whole = camera(40, 30)
    assert Quilt().fit(whole) == whole


def test_a_quilt_spans_no_more_than_the_capture_and_the_displays_cone() -> None:
    assert Quilt().span(0.1, 5.0) == 0.1
    assert Quilt().span(100.0, 1.0) == pytest.approx(2 * np.tan(np.radians(17.5)))


@pytest.mark.parametrize("wrong", [{"columns": 0}, {"rows": 65}, {"columns": 1, "rows": 1}, {"aspect": 0.0}])
def test_quilts_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match="--quilt_"):
        Quilt(**wrong)


def test_cropping_and_scaling_keep_what_pixels_show() -> None:
    whole = camera(40, 30)
    cropped = crop_camera(whole, 0.5)
    assert (cropped.width, cropped.height) == (15, 30)
    assert float(cropped.K[0, 2]) == pytest.approx(float(whole.K[0, 2]) - 12.5)
    half = scale_camera(whole, 0.5)
    assert (half.width, half.height) == (20, 15)
    torch.testing.assert_close(half.K[:2], whole.K[:2] / 2)


def ffmpeg_anaglyph(left: Picture, right: Picture) -> Picture:
    pair = np.concatenate([left, right], axis=1)
    size = ["-s", f"{pair.shape[1]}x{pair.shape[0]}"]
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24"]
    words = ["-loglevel", "error", *raw, *size, "-i", "-", "-vf", "stereo3d=sbsl:arcd", *raw, "-"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *words]
    done = subprocess.run(command, input=pair.tobytes(), capture_output=True, check=True)
    return np.frombuffer(done.stdout, np.uint8).reshape(left.shape)


def test_anaglyphs_have_ffmpegs_colours_in_linear_light() -> None:
    """Pure colours are the same numbers encoded and linear, so ffmpeg, which decodes none, is an oracle."""
    rng = np.random.default_rng(0)
    left, right = (255 * rng.integers(0, 2, (8, 8, 3), dtype=np.uint8) for _ in range(2))
    ours = decode_table()[anaglyph(left, right)]
    np.testing.assert_allclose(ours, ffmpeg_anaglyph(left, right) / 255, atol=0.01)


def test_each_eye_sees_its_picture_through_its_filter() -> None:
    white, black = plain(255), plain(0)
    left_only, right_only = anaglyph(white, black), anaglyph(black, white)
    assert left_only[0, 0, 0] > 250
    assert left_only[0, 0, 1:].max() < 5
    assert right_only[0, 0, 0] < 5
    assert right_only[0, 0, 1:].min() > 240
