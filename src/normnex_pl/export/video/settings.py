"""Settings of the contents and the encoding of a video."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Literal

from normnex_pl.core.errors import UserError
from normnex_pl.export.video.files import LARGEST_GIF_RATE

SMALLEST_PICTURE = 16  # pixels
_SMALLEST_RATE, _LARGEST_RATE = 0.1, 1000
_WORST_CRF = 51
_SECONDS = 4.0


@dataclass(frozen=True)
class VideoSettings:
    """Settings of the contents and the encoding of a video.

    Attributes:
        path: Where the camera goes: spiral (LLFF's), orbit, dolly, or fixed, a camera that stays, in colours
            as seen from the spiral.
        components: What to show, side by side: render, photo (the nearest of the training), diffuse,
            specular, tint, chroma, acc, disparity, depth, normals, as far as the model has them; or all.
        columns: Pictures side by side; by default about a square.
        formats: Files to write.
        seconds: Length of one loop; by default 4.
        frames: Length of one loop, instead of seconds.
        rate: Frames a second.
        width: Of one picture; by default the photos', or 1920 for all columns.
        height: Of one picture; by default shaped like the photos.
        reach: Factor of the path's size.
        crf: Of MP4: 0 (best) to 51 (smallest).
    """

    path: Literal["spiral", "orbit", "dolly", "fixed"] = "spiral"
    components: tuple[str, ...] = ("render",)
    columns: int | None = None
    formats: tuple[Literal["mp4", "gif"], ...] = ("mp4",)
    seconds: float | None = None
    frames: int | None = None
    rate: float = 30.0
    width: int | None = None
    height: int | None = None
    reach: float = 1.0
    crf: int = 18

    def __post_init__(self) -> None:
        """Raise a UserError if a number is out of range."""
        fastest = LARGEST_GIF_RATE if "gif" in self.formats else _LARGEST_RATE
        positive = (sys.float_info.min, sys.float_info.max, "a positive number")
        ranges = {
            "columns": (1, math.inf, "at least 1"),
            "frames": (1, math.inf, "at least 1"),
            "seconds": positive,
            "rate": (_SMALLEST_RATE, fastest, f"{_SMALLEST_RATE:g} to {fastest} frames a second"),
            "width": (SMALLEST_PICTURE, math.inf, f"at least {SMALLEST_PICTURE}"),
            "height": (SMALLEST_PICTURE, math.inf, f"at least {SMALLEST_PICTURE}"),
            "reach": positive,
            "crf": (0, _WORST_CRF, f"0 to {_WORST_CRF}"),
        }
        for name, (least, largest, expected) in ranges.items():
            value = getattr(self, name)
            # NaN fails every comparison.
            if value is not None and not least <= value <= largest:
                raise UserError(f"--{name}: expected {expected}, found {value:g}.")
        if self.frames is not None and self.seconds is not None:
            raise UserError("--frames, --seconds: expected one of them, found both. Leave one out.")

    @property
    def num_frames(self) -> int:
        """Frames of one loop."""
        seconds = _SECONDS if self.seconds is None else self.seconds
        return self.frames or max(1, round(seconds * self.rate))
