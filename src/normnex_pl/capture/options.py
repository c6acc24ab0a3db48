"""The options of preparing a scene from photos."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from normnex_pl.core.errors import UserError

_LEAST = {"longest": 320, "frames": 6, "seed": 0}


@dataclass(frozen=True)
class PrepareOptions:
    """Make a scene of photos or a video: undistorted, with poses by structure from motion.

    When the command is given again it goes on where it was stopped. The photos are only read.

    Attributes:
        photos: A folder of photos, or a video.
        scene: Folder to write; must not exist.
        longest: Largest side of the scene's photos in pixels.
        frames: How many to pick from a video.
        lens: COLMAP's camera model.
        device: For features and matches.
        seed: Of the random choices.
        anyway: Write scenes too that don't face one way.
    """

    photos: Path
    scene: Path
    longest: int = 2016
    frames: int = 40
    lens: Literal["SIMPLE_RADIAL", "RADIAL", "OPENCV", "SIMPLE_PINHOLE", "PINHOLE"] = "SIMPLE_RADIAL"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    seed: int = 0
    anyway: bool = False

    def __post_init__(self) -> None:
        """Raise a UserError if a number is out of range."""
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise UserError(f"--{name}: expected at least {least}, found {getattr(self, name)}.")
