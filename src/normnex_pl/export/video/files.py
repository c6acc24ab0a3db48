"""Video files: MP4 (H.264) by ffmpeg and GIF by Pillow, frame by frame, whole or not at all.

imageio's writers aren't used: the one for MP4 reports nothing if ffmpeg fails at the end, as on a full disk,
and rescales pictures of odd size; the one for GIF gives each frame a palette of its own, which flickers.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import replacing

FrameSink = Callable[[UInt8[np.ndarray, "height width 3"]], None]

# Browsers slow down GIFs whose frames last less than two hundredths of a second.
LARGEST_GIF_RATE = 50
_PALETTE_FRAMES = 16
_NO_FRAMES = "a video needs at least one frame"

# The matrix of HD video, also written into the file: players would otherwise guess it from the height.
_COLORS = [
    "-vf",
    "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int,"
    "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv",
]


@dataclass(frozen=True)
class Encoding:
    """Frame rate and compression.

    Attributes:
        rate: Frames a second; of a GIF at most `LARGEST_GIF_RATE`.
        crf: Constant rate factor of H.264: 0 loses only the chroma's resolution, 51 nearly everything. A GIF
            has 256 colours instead.
    """

    rate: float
    crf: int = 18


@contextmanager
def mp4_writer(path: Path, encoding: Encoding) -> Iterator[FrameSink]:
    """Encode frames of one size as H.264 in yuv420p, which browsers and phones play.

    Args:
        path: The file; it is replaced once the last frame is encoded, and kept if anything fails before.
        encoding: Rate and quality.

    Yields:
        A function that takes the frames; odd sizes get a row or a column more.

    Raises:
        UserError: There is no ffmpeg, or it fails.
    """
    with replacing(path) as temporary:
        encoder = _Encoder(temporary, path, encoding)
        try:
            yield encoder.add
            encoder.finish()
        finally:
            encoder.abort()


class _Encoder:
    """A process of ffmpeg, started by the first frame, which determines the size."""

    def __init__(self, file: Path, shown_path: Path, encoding: Encoding) -> None:
        self._output = ["-c:v", "libx264", "-crf", str(encoding.crf), "-pix_fmt", "yuv420p", *_COLORS]
        # The index first, so that playback starts before everything is loaded. "file:" for names that hold
        # colons, which end a protocol otherwise, or begin with a dash, as options do.
        self._output += ["-movflags", "+faststart", f"file:{file}"]
        self._rate = str(Fraction(encoding.rate).limit_denominator(100_000))
        self._path = shown_path
        self._program = _ffmpeg()
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    def add(self, frame: UInt8[np.ndarray, "height width 3"]) -> None:
        """Send a frame to ffmpeg."""
        frame = even_sized(frame)
        if self._process is None:
            self._start(*frame.shape[:2])
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(frame.tobytes())
        except BrokenPipeError:
            self.finish()

    def finish(self) -> None:
        """Wait for the end of the file.

        Raises:
            UserError: ffmpeg failed.
        """
        if self._process is None or self._log is None:
            raise ValueError(_NO_FRAMES)
        self._close_input()
        if self._process.wait():
            self._log.seek(0)
            said = self._log.read().decode(errors="replace").strip() or "nothing"
            raise UserError(
                f"{self._path}: expected {self._program} to write this file, found exit status "
                f"{self._process.returncode}; it said: {said}. Is the disk full?"
            )

    def abort(self) -> None:
        """Kill ffmpeg if it still runs."""
        if self._process is not None and self._log is not None:
            if self._process.poll() is None:
                self._process.kill()
            self._close_input()
            self._process.wait()
            self._log.close()

    def _start(self, height: int, width: int) -> None:
        raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", self._rate, "-i", "-"]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by abort)
        self._process = subprocess.Popen(
            [self._program, "-y", "-loglevel", "error", *raw, *self._output],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._log,
            start_new_session=True,  # Ctrl-C reaches this process alone, which then ends ffmpeg
        )

    def _close_input(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # its exit status tells why it stopped reading
            self._process.stdin.close()


@contextmanager
def gif_writer(path: Path, encoding: Encoding) -> Iterator[FrameSink]:
    """Write frames of one size as a GIF that loops for ever, with one palette for all so that none flickers.

    Args:
        path: The file; it is replaced at the end, and kept if anything fails before.
        encoding: Its rate.

    Yields:
        A function that takes the frames.
    """
    sizes: list[tuple[int, int]] = []
    # The palette is chosen at the end; until then frames are kept on disk.
    with replacing(path) as temporary, tempfile.TemporaryFile() as waiting:

        def add(frame: UInt8[np.ndarray, "height width 3"]) -> None:
            sizes.append(frame.shape[:2])
            waiting.write(frame.tobytes())

        yield add
        if not sizes:
            raise ValueError(_NO_FRAMES)
        _save_gif(temporary, lambda index: _stored_frame(waiting, index, sizes[0]), len(sizes), encoding.rate)


WRITERS: Mapping[str, Callable[[Path, Encoding], AbstractContextManager[FrameSink]]] = {
    "mp4": mp4_writer,
    "gif": gif_writer,
}


def even_sized(
    frame: UInt8[np.ndarray, "height width 3"],
) -> UInt8[np.ndarray, "even_height even_width 3"]:
    """Repeat the last row or column where their number is odd: chroma has half of the resolution."""
    height, width, _ = frame.shape
    return np.pad(frame, [(0, height % 2), (0, width % 2), (0, 0)], mode="edge")


def gif_durations(count: int, rate: float) -> list[int]:
    """Return the milliseconds of each frame, in the format's steps of 10, without accumulated errors."""
    ends = [round(100 * (index + 1) / rate) for index in range(count)]
    return [10 * (end - start) for start, end in zip([0, *ends], ends, strict=False)]


def _save_gif(path: Path, frame: Callable[[int], Image.Image], count: int, rate: float) -> None:
    """Quantise all frames by a palette of some of them."""
    sampled = sorted({index * count // _PALETTE_FRAMES for index in range(_PALETTE_FRAMES)})
    seen = np.concatenate([np.asarray(frame(index)) for index in sampled])
    # Median cut would leave out rare colours, such as those of a small red ball.
    palette = Image.fromarray(seen).quantize(256, Image.Quantize.FASTOCTREE)
    first, *others = (frame(index).quantize(palette=palette) for index in range(count))
    durations = gif_durations(count, rate)
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0)


def _stored_frame(file: IO[bytes], index: int, size: tuple[int, int]) -> Image.Image:
    height, width = size
    file.seek(index * height * width * 3)
    return Image.frombytes("RGB", (width, height), file.read(height * width * 3))


def _ffmpeg() -> str:
    """Return the program that imageio-ffmpeg ships, or the user's own (``IMAGEIO_FFMPEG_EXE``)."""
    try:
        import imageio_ffmpeg  # an extra, which only videos need

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise UserError(
            f"imageio-ffmpeg: expected ffmpeg to write MP4 with, found none ({error}). "
            "Install the extra: pip install 'normnex_pl[video]', in a checkout pip install -e '.[video]'."
        ) from error
