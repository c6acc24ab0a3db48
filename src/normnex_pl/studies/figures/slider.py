"""Two overlaid pictures, with a slider that moves the border between them."""

from __future__ import annotations

import base64
import html
import io
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from normnex_pl.core.errors import UserError
from normnex_pl.evaluation.pictures.sheet import shrink
from normnex_pl.studies.comparison import Run
from normnex_pl.studies.comparison_pictures import first_view, stored_picture
from normnex_pl.studies.figures.captions import finished, runs_caption

_LARGEST_WIDTH = 640
_QUALITY = 85

# The slider clips the upper picture; without scripts, its left half stays visible.
_PAGE = """<figure style="margin:0;width:{width}px">
<figcaption style="font:13px sans-serif">{caption}<br>left: {left_title}, right: {right_title}</figcaption>
<div style="position:relative;width:{width}px;height:{height}px">
<img alt="{right_title}" src="{right}" style="position:absolute;margin:0" width="{width}" height="{height}">
<img alt="{left_title}" src="{left}" style="position:absolute;margin:0;clip-path:inset(0 50% 0 0)"
 width="{width}" height="{height}"></div>
<input type="range" min="0" max="100" value="50" aria-label="share of {left_title}" style="width:100%"
 oninput="this.previousElementSibling.lastElementChild.style.clipPath='inset(0 '+(100-this.value)+'% 0 0)'">
</figure>"""


@dataclass(frozen=True)
class PictureSlider:
    """Two pictures that a notebook shows with a slider; where a page can't run scripts, as two halves.

    Attributes:
        left: The picture at the left of the border.
        right: The picture at the right of it, of the same size.
        left_title: Title of the left one.
        right_title: Title of the right one.
        caption: The text above both.

    Raises:
        UserError: The pictures are of different sizes.
    """

    left: UInt8[np.ndarray, "height width 3"]
    right: UInt8[np.ndarray, "rows columns 3"]
    left_title: str
    right_title: str
    caption: str

    def __post_init__(self) -> None:
        if self.left.shape != self.right.shape:
            raise UserError(
                f"{self.left_title}, {self.right_title}: expected pictures of one size, found "
                f"{self.left.shape[1]}x{self.left.shape[0]} and {self.right.shape[1]}x{self.right.shape[0]}."
            )

    def _repr_html_(self) -> str:
        images = [Image.fromarray(shrink(picture, _LARGEST_WIDTH)) for picture in (self.left, self.right)]
        texts = {name: html.escape(getattr(self, name)) for name in ("left_title", "right_title", "caption")}
        return _PAGE.format(
            width=images[0].width,
            height=images[0].height,
            left=_address(images[0]),
            right=_address(images[1]),
            **texts,
        )


def slider_of_runs(left: Run, right: Run | None, view: str | None = None) -> PictureSlider:
    """Compare the renders of two runs for a held-out view, or one render with the photo.

    Args:
        left: A finished run.
        right: Another one of the same scene; None for the photo.
        view: Its name; None for the first held-out one.

    Raises:
        UserError: A run failed, or has no such view.
    """
    for run in (left, right or left):
        finished([run])
    view = first_view(left) if view is None else view
    first = stored_picture(left, view, "render")
    size = (first.shape[1], first.shape[0])
    second = stored_picture(right or left, view, "render" if right else "truth", size)
    caption = f"{view} of {runs_caption([left] if right is None else [left, right])}"
    return PictureSlider(first, second, left.row, right.row if right else "photo", caption)


def _address(image: Image.Image) -> str:
    """Return a data URL."""
    data = io.BytesIO()
    image.save(data, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"
