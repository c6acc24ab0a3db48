"""``planes.txt`` in a scene's folder: the depths and the padding of its planes.

The format is that of the NeX and Shiny data sets (https://github.com/nex-mpi/nex-code), with comments and the
reference view in lines that NeX's trainer ignores.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import PlaneSpacing, Scene
from normnex_pl.data.planes.choice import PlaneOverrides, check_depths, scale_padding, unscale_padding
from normnex_pl.data.text_files import read_lines

logger = logging.getLogger(__name__)

PLANES_FILE = "planes.txt"
_COMMENT = "#"
_REFERENCE = "reference"
_DEPTHS = "depths"
_LARGEST_PADDING = 1e5
# Of the first line against the list of depths.
_ROUNDED = 1e-3


def read_planes(root: Path, width: int, unit: float = 1.0) -> PlaneOverrides:
    """Read ``planes.txt``: ``near far [inverse [padding]]``, and perhaps lines ``reference`` and ``depths``.

    ``inverse`` is 1 for planes uniform in disparity and 0, or absent, for planes uniform in depth.
    ``depths`` lists the depths of planes, from near to far, in place of the uniform ones; several such lines
    go on from each other. ``reference`` names the photo in whose frame the planes stand.
    ``padding`` is the padding in pixels of photos 1008 wide, to which the NeX trainer scales LLFF scenes.
    Lines that begin with # are comments, and so is what follows a # in the first line; other lines after it
    are ignored with a warning but for these two, as that trainer ignores all of them.

    Units: the NeX trainer takes the depths of a scene with ``poses_bounds.npy`` as they are after it
    divided the poses by 0.75 x the smallest near bound, which is also the unit of our world; those of a
    Spaces or plain COLMAP scene are in the units of the files, since it scales nothing there.

    Args:
        root: The scene's folder.
        width: Width of the loaded photos in pixels.
        unit: The file's length that is 1 in the scene's world.

    Returns:
        The file's values; none if there is no such file.

    Raises:
        UserError: The first line isn't of that form, several reference views are named, or listed depths
            don't increase from near to far.
    """
    path = root / PLANES_FILE
    if not path.exists():
        return PlaneOverrides()
    lines = [line.strip() for line in read_lines(path)]
    line, *others = [line for line in lines if not line.startswith(_COMMENT)] or [""]
    line = line.partition(_COMMENT)[0].strip()
    near, far, inverse, padding, *more = [*_numbers(line), *[math.nan] * 4]
    count = len(more)
    inverse = 0 if count == 2 else inverse
    padding = 0 if count < 4 else padding
    depths_ordered = 0 < near < far < math.inf
    if count > 4 or not depths_ordered or inverse not in (0, 1) or not 0 <= padding <= _LARGEST_PADDING:
        raise UserError(
            f"{path}: expected 'near far [inverse [padding]]' in the first line, with 0 < near < far, "
            f"inverse 0 or 1 and padding 0 or more pixels, found '{line[:80]}'. "
            "Correct or remove the file."
        )
    reference, depths = _read_others(path, others)
    spacing: PlaneSpacing = "disparity" if inverse else "depth"
    if depths:
        _check_list(path, depths, near, far)
        near, far = depths[0], depths[-1]
        spacing = tuple(depth / unit for depth in depths)
    return PlaneOverrides(
        near=near / unit,
        far=far / unit,
        spacing=spacing,
        padding=scale_padding(padding, width) if count == 4 else None,
        reference=reference,
    )


def _read_others(path: Path, lines: Sequence[str]) -> tuple[str | None, list[float]]:
    """Return the reference view and the depths, if lines give them; log a warning about all other lines."""
    names, depths = [], []
    for line in filter(None, lines):
        key, *rest = line.split(maxsplit=1)
        if key == _REFERENCE and rest:
            names += [] if rest[0] in names else [rest[0]]
        elif key == _DEPTHS and (found := _numbers(" ".join(rest).partition(_COMMENT)[0])):
            depths += found
        elif key == _DEPTHS:
            raise UserError(
                f"{path}: expected numbers after '{_DEPTHS}', found '{line[:80]}'. Correct or remove that "
                "line."
            )
        else:
            logger.warning("%s: ignored the line '%s'", path, line[:80])
    if len(names) > 1:
        raise UserError(
            f"{path}: expected one line '{_REFERENCE} NAME', found '{names[0]}' and '{names[1]}'. Remove one."
        )
    return names[0] if names else None, depths


def _check_list(path: Path, depths: Sequence[float], near: float, far: float) -> None:
    """Raise a UserError unless depths run from near to far, both up to the rounding of a file by hand."""
    check_depths(f"{path}, '{_DEPTHS}'", depths)
    if not all(map(partial(math.isclose, rel_tol=_ROUNDED), (depths[0], depths[-1]), (near, far))):
        raise UserError(
            f"{path}: expected '{_DEPTHS}' from near to far of the first line, {near:g} to {far:g}, found "
            f"{depths[0]:g} to {depths[-1]:g}. Correct either of them."
        )


def planes_text(scene: Scene) -> str:
    """Return the ``planes.txt`` that gives a scene the planes that it has, with the reasons as comments.

    The first line is one of NeX's format. All digits are kept, so that reading it changes nothing.
    """
    geometry, unit, reasons = scene.geometry, scene.planes_unit, scene.reasons
    listed = () if isinstance(geometry.spacing, str) else geometry.spacing
    inverse = int(geometry.spacing != "depth")
    padding = unscale_padding(geometry.padding, geometry.width)
    world = "the scaled world, where the nearest bound is 4/3" if unit == 1 else "units of the scene's files"
    return "\n".join(
        [
            f"{geometry.near * unit!r} {geometry.far * unit!r} {inverse} {padding}",
            f"{_REFERENCE} {scene.views[scene.reference].name}",
            *([" ".join([_DEPTHS, *(repr(depth * unit) for depth in listed)])] if listed else []),
            f"{_COMMENT} Near and far plane ({world}),",
            f"{_COMMENT} 1: uniform in disparity, 0: in depth; canvas padding (pixels of photos 1008 wide).",
            f"{_COMMENT} Below: the view in whose frame the planes stand; and their depths, if they aren't",
            f"{_COMMENT} uniform, through which a curve gives those of any other number of planes. Why:",
            f"{_COMMENT} near, far: {reasons.depths}",
            f"{_COMMENT} spacing: {reasons.spacing}",
            f"{_COMMENT} padding: {reasons.padding}",
            f"{_COMMENT} reference: {reasons.reference}",
            "",
        ]
    )


def _numbers(line: str) -> list[float]:
    """Return the numbers of a line; none if it holds anything else."""
    try:
        return [float(word) for word in line.split()]
    except ValueError:
        return []
