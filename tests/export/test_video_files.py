"""Video files read back: sizes, rates, pictures; and what an interruption leaves."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from export.video_reading import Pixels, psnr, read_gif, read_mp4
from normnex_pl.core.errors import UserError
from normnex_pl.export.video.files import WRITERS, Encoding, even_sized, gif_durations

each_format = pytest.mark.parametrize("name", sorted(WRITERS))


def moving_gradients(count: int, height: int = 48, width: int = 64) -> list[Pixels]:
    """Return smooth pictures of many colours that drift sideways."""
    y, x = np.mgrid[:height, :width]
    frames = []
    for index in range(count):
        phase = 2 * np.pi * (x / width + index / count)
        channels = [127 + 100 * np.sin(phase), 255 * y / height, 127 + 100 * np.cos(phase)]
        frames.append(np.stack(channels, axis=-1).round().astype(np.uint8))
    return frames


def write(path: Path, frames: list[Pixels], encoding: Encoding) -> Path:
    with WRITERS[path.suffix[1:]](path, encoding) as add:
        for frame in frames:
            add(frame)
    return path


def test_an_mp4_holds_the_frames_within_compression(tmp_path: Path) -> None:
    frames = moving_gradients(7)
    video = read_mp4(write(tmp_path / "x.mp4", frames, Encoding(rate=12.5, crf=8)))
    assert len(video.frames) == len(frames)
    assert video.rate == 12.5
    assert "h264 (High)" in video.stream
    assert "yuv420p(tv, bt709" in video.stream
    for frame, picture in zip(frames, video.frames, strict=True):
        assert psnr(frame, picture) > 35


@each_format
@pytest.mark.parametrize("folder", ["2024-01-05T12:30:11", "-y", "100%d [*] 'a\n\"b", "concat:a|b", "%41é"])
def test_folders_are_folders_whatever_they_are_called(
    name: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Write to relative paths, where a colon would end a protocol and a dash begin an option."""
    monkeypatch.chdir(tmp_path)
    path = write(Path(folder) / f"{folder}.{name}", moving_gradients(2), Encoding(10.0))
    assert path.stat().st_size > 0
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == [path.name]


def test_a_lower_quality_makes_a_smaller_file(tmp_path: Path) -> None:
    frames = moving_gradients(6)
    good, bad = (
        write(tmp_path / f"{crf}.mp4", frames, Encoding(10.0, crf)).stat().st_size for crf in (5, 45)
    )
    assert bad < good


@pytest.mark.parametrize("color", [(255, 255, 255), (0, 0, 0), (200, 30, 30), (30, 60, 200), (40, 180, 60)])
def test_plain_colours_survive(tmp_path: Path, color: tuple[int, int, int]) -> None:
    """A decoder that takes another matrix than the encoder would be ten and more off."""
    frame = np.full((32, 32, 3), color, np.uint8)
    [shown] = read_mp4(write(tmp_path / "x.mp4", [frame], Encoding(10.0, 4))).frames
    assert np.abs(shown.astype(int) - frame).max() <= 2


def test_an_mp4_says_its_colours_and_begins_with_its_index(tmp_path: Path) -> None:
    path = write(tmp_path / "x.mp4", moving_gradients(2), Encoding(10.0))
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    colours = content.index(b"colrnclx") + len(b"colrnclx")
    assert content[colours : colours + 6] == bytes([0, 1, 0, 1, 0, 1])  # all BT.709


@pytest.mark.parametrize(("height", "width"), [(33, 48), (32, 49), (33, 49), (32, 48)])
def test_odd_sizes_get_one_row_or_column_more(tmp_path: Path, height: int, width: int) -> None:
    frames = moving_gradients(2, height, width)
    shown = read_mp4(write(tmp_path / "x.mp4", frames, Encoding(10.0, 8))).frames
    assert shown[0].shape == (height + height % 2, width + width % 2, 3)
    assert psnr(frames[0], shown[0][:height, :width]) > 35
    even = even_sized(frames[0])
    assert (even[:height, :width] == frames[0]).all()
    assert (even[-1, :width] == frames[0][-1]).all()


def test_a_gif_plays_for_ever_and_in_time(tmp_path: Path) -> None:
    frames = moving_gradients(9, 33, 49)
    video = read_gif(write(tmp_path / "x.gif", frames, Encoding(rate=30.0)))
    assert video.loop == 0
    assert len(video.frames) == len(frames)
    assert video.rate == pytest.approx(30)
    for frame, picture in zip(frames, video.frames, strict=True):
        assert picture.shape == frame.shape
        assert psnr(frame, picture) > 26


def test_a_gif_keeps_rare_colours(tmp_path: Path) -> None:
    frames = moving_gradients(3)
    for frame in frames:
        frame[10:13, 10:13] = (255, 0, 0)
    shown = read_gif(write(tmp_path / "x.gif", frames, Encoding(10.0))).frames
    red, green, blue = shown[0][11, 11].tolist()
    assert red > 220
    assert max(green, blue) < 40


@pytest.mark.parametrize("rate", [7.0, 24.0, 29.97, 30.0, 50.0])
def test_durations_of_a_gif_add_up(rate: float) -> None:
    durations = gif_durations(90, rate)
    assert len(durations) == 90
    assert sum(durations) == pytest.approx(90_000 / rate, abs=5)
    assert max(durations) - min(durations) <= 10
    assert min(durations) >= 20


@each_format
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interruption_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, name: str, error: type[BaseException]
) -> None:
    path = tmp_path / f"x.{name}"
    path.write_bytes(b"old")
    writer = WRITERS[name](path, Encoding(10.0))
    with pytest.raises(error), writer as add:  # noqa: PT012 (it happens between frames)
        for frame in moving_gradients(3):
            add(frame)
        raise error
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@each_format
def test_no_frames_make_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        write(tmp_path / f"x.{name}", [], Encoding(10.0))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("reads", [True, False])
def test_an_encoder_that_fails_is_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: bool
) -> None:
    program = tmp_path / "ffmpeg"
    wait = "sys.stdin.buffer.read();" if reads else ""
    program.write_text(f"#!{sys.executable}\nimport sys;{wait}sys.exit('No space left on device')\n")
    program.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    path = tmp_path / "videos" / "x.mp4"
    frames = moving_gradients(40, 200, 200)  # more than a pipe holds
    with pytest.raises(UserError, match=r"x\.mp4: expected .*found exit status 1.*No space left"):
        write(path, frames, Encoding(10.0))
    assert list(path.parent.iterdir()) == []


def test_without_an_encoder_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(UserError, match=r"pip install -e '\.\[video\]'"):
        write(tmp_path / "x.mp4", moving_gradients(1), Encoding(10.0))
    assert list(tmp_path.iterdir()) == []
