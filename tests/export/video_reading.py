"""Reads video files back, for the tests of what writes them."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Video:
    """A video as a player sees it.

    Attributes:
        frames: sRGB bytes, height x width x 3.
        rate: Frames a second.
        stream: What ffmpeg says of the codec and the pixels; nothing of a GIF.
        loop: How often a GIF is repeated, 0 for ever.
    """

    frames: list[Pixels]
    rate: float
    stream: str = ""
    loop: int | None = None


def read_mp4(path: Path) -> Video:
    """Decode a file as a player would."""
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path), *raw]
    result = subprocess.run(command, capture_output=True, check=True)
    stream = next(line for line in result.stderr.decode().splitlines() if "Video: " in line)
    size, rate = re.search(r", ([1-9]\d*x\d+)\b", stream), re.search(r"([\d.]+) fps", stream)
    assert size is not None
    assert rate is not None
    width, height = map(int, size[1].split("x"))
    frames = np.frombuffer(result.stdout, np.uint8).reshape(-1, height, width, 3)
    return Video(list(frames), float(rate[1]), stream)


def read_gif(path: Path) -> Video:
    """Decode a GIF; its rate is the mean one."""
    frames, milliseconds = [], 0
    with Image.open(path) as image:
        for index in range(image.n_frames):
            image.seek(index)
            frames.append(np.asarray(image.convert("RGB")))
            milliseconds += image.info["duration"]
        return Video(frames, 1000 * len(frames) / milliseconds, loop=image.info.get("loop"))


def psnr(one: Pixels, other: Pixels) -> float:
    """Return the PSNR in dB, of bytes."""
    return float(-10 * np.log10(np.square(one / 255 - other / 255).mean() + 1e-12))
