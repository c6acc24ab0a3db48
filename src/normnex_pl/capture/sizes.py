"""One size for all photos, as one shared camera needs it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from normnex_pl.core.errors import UserError

_TOLERANCE = 0.005  # of the ratio of the sides: sizes are rounded to whole pixels
_SMALLEST = 240
_LISTED = 4

Size = tuple[int, int]


def common_size(files: Sequence[Path], sizes: Sequence[Size], longest: int) -> Size:
    """Return the size to which all photos are scaled: that of the smallest or less, so that none is enlarged.

    Photos that differ in resolution alone are taken to be of one camera. Other shapes are crops, or were
    held the other way, and don't share its intrinsics.

    Args:
        files: The photos.
        sizes: Their widths and heights in pixels, upright.
        longest: Largest allowed side in pixels.

    Raises:
        UserError: The shapes differ, or the shorter side has less than 240 pixels.
    """
    counts = Counter(_shape(size, sizes) for size in sizes)
    (main, _), *others = counts.most_common()
    if others:
        odd = [path.name for path, size in zip(files, sizes, strict=True) if _shape(size, sizes) != main]
        names = ", ".join(odd[:_LISTED]) + (", ..." if len(odd) > _LISTED else "")
        found = ", ".join(f"{count} of {width}x{height}" for (width, height), count in counts.most_common())
        raise UserError(
            f"{files[0].parent}: expected photos of one shape, from one camera held one way, found {found} "
            f"pixels. Take out {names}, or those of the other shape."
        )
    width, height = min(sizes)
    scale = min(1.0, longest / max(width, height))
    result = max(1, round(width * scale)), max(1, round(height * scale))
    if min(result) < _SMALLEST:
        raise UserError(
            f"{files[0].parent}: expected photos of at least {_SMALLEST} pixels on the shorter side, found "
            f"{result[0]}x{result[1]}. Take larger ones, or raise --longest."
        )
    return result


def _shape(size: Size, sizes: Sequence[Size]) -> Size:
    """Return the first of the sizes that is shaped like this one."""
    ratio = size[0] / size[1]
    return next(other for other in sizes if abs(other[0] / other[1] / ratio - 1) <= _TOLERANCE)
