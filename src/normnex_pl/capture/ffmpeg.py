"""Commands of the ffmpeg that imageio-ffmpeg ships, on files whatever their names contain."""

from __future__ import annotations

from pathlib import Path

import imageio_ffmpeg


def decode_command(video: Path, verbosity: str = "error") -> list[str]:
    """Return the beginning of a command that decodes the first video stream."""
    program = str(imageio_ffmpeg.get_ffmpeg_exe())
    return [program, "-hide_banner", "-v", verbosity, "-nostdin", "-i", file_name(video), "-map", "0:v:0"]


def file_name(path: Path) -> str:
    """Name a file for ffmpeg: a colon would otherwise end a protocol, and a dash begin an option."""
    return f"file:{path}"


def numbered_pictures(folder: Path, ending: str) -> str:
    """Name pictures to be written, by their numbers: percent signs of the folder stand for themselves."""
    return f"{file_name(Path(str(folder).replace('%', '%%')))}/%06d{ending}"
