"""Sharp frames of a video, spread over its length, as photos."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from itertools import count, pairwise
from pathlib import Path
from typing import IO

import imageio_ffmpeg
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from tqdm import tqdm

from normnex_pl.capture.ffmpeg import decode_command, file_name, numbered_pictures
from normnex_pl.capture.sharpness import sharpness
from normnex_pl.capture.video_color import VideoColor, read_color, to_srgb
from normnex_pl.core.errors import UserError

_SCAN_WIDTH = 480
_REDUCED = 8
# Mean difference of grey values below which a frame repeats the one before: the camera stands still.
_SAME = 1.0


def extract_frames(video: Path, folder: Path, wanted: int, fewest: int) -> tuple[Path, ...]:
    """Write the sharpest frames of a video as PNG; those of an earlier run are taken as they are.

    Args:
        video: The file.
        folder: An existing folder.
        wanted: How many frames.
        fewest: Fewer are refused.

    Returns:
        The files, named after the numbers of the frames.

    Raises:
        UserError: The file is no video, is empty, or has too few frames that differ.
    """
    place = folder / "frames"
    if not place.is_dir():
        color = read_color(video)
        chosen = _choose(video, wanted, fewest)
        # The folder appears with all frames in it: a run that is stopped leaves none.
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            _write_frames(video, Path(temporary), chosen, color)
            Path(temporary).rename(place)
            Path(temporary).mkdir()
    return tuple(sorted(place.glob("*.png")))


def _choose(video: Path, wanted: int, fewest: int) -> list[int]:
    """Decode a video once, scaled down, and choose frames by their numbers."""
    sharp, small = [], []
    total = _count_frames(video)
    for image in tqdm(_thumbnails(video), "  frames", total=total, unit="frame", mininterval=0.5):
        sharp.append(sharpness(image))
        small.append(_reduced(image))
    if len(sharp) < fewest:
        raise UserError(
            f"{video}: expected a video of at least {fewest} frames, found {len(sharp)}. Film for some "
            "seconds while you move sideways, up and down."
        )
    chosen = choose_frames(np.array(sharp), wanted)
    chosen = [chosen[i] for i in _different([small[number] for number in chosen])]
    if len(chosen) < fewest:
        raise UserError(
            f"{video}: expected at least {fewest} frames that differ, found {len(chosen)}. Film while the "
            "camera moves."
        )
    return chosen


def choose_frames(sharp: Float[np.ndarray, "frame"], wanted: int) -> list[int]:
    """Choose the sharpest frame of each of equal stretches of a video.

    Two chosen frames are at least half a stretch apart.

    Args:
        sharp: How sharp the frames are.
        wanted: How many to choose.

    Returns:
        Numbers of frames, ascending; fewer than wanted if there are fewer.
    """
    borders = np.linspace(0, len(sharp), min(wanted, len(sharp)) + 1)
    gap = (borders[1] - borders[0]) / 2
    chosen: list[int] = []
    for begin, end in pairwise(borders):
        first = int(np.ceil(begin if not chosen else max(begin, chosen[-1] + gap)))
        stretch = sharp[first : int(np.ceil(end))]
        if len(stretch):
            chosen.append(first + int(stretch.argmax()))
    return chosen


def _reduced(image: UInt8[np.ndarray, "_ _"]) -> Float[np.ndarray, "_ _"]:
    """Average squares of pixels: enough to tell whether the camera moved, and nearly free of noise."""
    height, width = (size // _REDUCED for size in image.shape)
    squares = image[: height * _REDUCED, : width * _REDUCED].reshape(height, _REDUCED, width, _REDUCED)
    return squares.mean(axis=(1, 3), dtype=np.float32)


def _different(pictures: Sequence[Float[np.ndarray, "_ _"]]) -> list[int]:
    """Return the indices of pictures that differ from the one kept before."""
    kept = [0]
    for index in range(1, len(pictures)):
        if np.abs(pictures[index] - pictures[kept[-1]]).mean() >= _SAME:
            kept.append(index)
    return kept


def _count_frames(video: Path) -> int | None:
    """Return the number of frames by the file's header; None if it has none."""
    try:
        return int(imageio_ffmpeg.count_frames_and_secs(file_name(video))[0])
    except RuntimeError:
        return None


def _thumbnails(video: Path) -> Iterator[UInt8[np.ndarray, "_ _"]]:
    """Yield all frames, small and grey, without repeating or dropping any for the file's time stamps."""
    filters = f"scale='min({_SCAN_WIDTH},iw)':-2:flags=area"
    command = [*decode_command(video), "-vf", filters, "-fps_mode", "passthrough"]
    command += ["-pix_fmt", "gray", "-c:v", "pgm", "-f", "image2pipe", "-"]
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log) as run,
    ):
        assert run.stdout is not None
        try:
            while (image := _read_pgm(run.stdout)) is not None:
                yield image
        finally:
            run.kill()


def _read_pgm(stream: IO[bytes]) -> UInt8[np.ndarray, "_ _"] | None:
    """Read a grey picture as ffmpeg writes it."""
    return _read_netpbm(stream, b"P5", np.dtype(np.uint8), 1)


def _read_netpbm(stream: IO[bytes], magic: bytes, dtype: np.dtype, channels: int) -> np.ndarray | None:
    """Read a picture as ffmpeg writes it: three lines (magic; width and height; peak), then the values."""
    if stream.readline().strip() != magic:
        return None
    width, height = map(int, stream.readline().split())
    stream.readline()
    size = width * height * channels * dtype.itemsize
    data = stream.read(size)
    if len(data) < size:
        return None
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.frombuffer(data, dtype).reshape(shape)


def _write_frames(video: Path, folder: Path, numbers: Sequence[int], color: VideoColor) -> None:
    """Decode the chosen frames in full size as sRGB, and name them after their numbers."""
    chosen = "+".join(f"eq(n\\,{number})" for number in numbers)
    command = [*decode_command(video), "-vf", f"select='{chosen}'", "-fps_mode", "passthrough"]
    said = _write_decoded(command, folder) if color.is_srgb else _write_converted(command, folder, color)
    written = sorted(folder.glob("*.png"))
    if len(written) != len(numbers):
        raise UserError(
            f"{video}: expected {len(numbers)} frames to decode, found {len(written)} (ffmpeg: "
            f"{said.strip()[-300:] or 'nothing'}). Is the file whole, and the disk not full?"
        )
    for source, number in zip(written, numbers, strict=True):
        source.rename(folder / f"frame_{number:06}.png")


def _write_decoded(command: Sequence[str], folder: Path) -> str:
    """Have ffmpeg write the frames as PNG, and return what it said."""
    target = numbered_pictures(folder, ".png")
    result = subprocess.run([*command, "-y", target], capture_output=True, check=False)
    return result.stderr.decode(errors="replace")


def _write_converted(command: Sequence[str], folder: Path, color: VideoColor) -> str:
    """Convert the frames from 16 bits and write them as PNG, and return what ffmpeg said."""
    command = [*command, "-pix_fmt", "rgb48be", "-c:v", "ppm", "-f", "image2pipe", "-"]
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log) as run,
    ):
        assert run.stdout is not None
        for number in count(1):
            frame = _read_netpbm(run.stdout, b"P6", np.dtype(">u2"), 3)
            if frame is None:
                break
            Image.fromarray(to_srgb(frame.astype(np.uint16), color)).save(folder / f"{number:06}.png")
        run.wait()
        log.seek(0)
        return log.read().decode(errors="replace")
