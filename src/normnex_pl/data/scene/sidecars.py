"""Optional text files beside the photos: ``planes.txt``, ``train_image.txt`` and ``val_image.txt``.

Their formats are those of the NeX and Shiny data sets (https://github.com/nex-mpi/nex-code).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import Scene
from normnex_pl.data.planes.choice import PlaneOverrides, scale_padding, unscale_padding
from normnex_pl.data.scene.build import Split, check_view_count

logger = logging.getLogger(__name__)

PLANES_FILE = "planes.txt"
_COMMENT = "#"
_REFERENCE = "reference"
_TRAIN_FILE = "train_image.txt"
_TEST_FILE = "val_image.txt"
_LARGEST_PADDING = 1e5


def read_planes(root: Path, width: int, unit: float = 1.0) -> PlaneOverrides:
    """Read ``planes.txt``: ``near far [inverse [padding]]``, and perhaps ``reference`` and a photo's name.

    ``inverse`` is 1 for planes uniform in disparity and 0, or absent, for planes uniform in depth.
    ``padding`` is the padding in pixels of photos 1008 wide, to which the NeX trainer scales LLFF scenes.
    Lines that begin with # are comments; other lines behind the first are ignored but for ``reference``, as
    that trainer ignores all of them.

    Units: the NeX trainer takes the depths of a scene with ``poses_bounds.npy`` as they are after it
    divided the poses by 0.75 x the smallest near bound, which is also the unit of our world; those of a
    Spaces or plain COLMAP scene are in the units of the files, since it scales nothing there.

    Args:
        root: The scene's folder.
        width: Width of the loaded photos in pixels.
        unit: The file's length that is 1 in the scene's world (see `scene_unit` where it isn't 1).

    Returns:
        What the file says; nothing if there is no such file.

    Raises:
        UserError: The first line isn't of that form.
    """
    path = root / PLANES_FILE
    if not path.exists():
        return PlaneOverrides()
    lines = [line.strip() for line in _read_lines(path)]
    line, *others = [line for line in lines if not line.startswith(_COMMENT)] or [""]
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
    names = [name for key, _, name in (other.partition(" ") for other in others) if key == _REFERENCE]
    return PlaneOverrides(
        near=near / unit,
        far=far / unit,
        spacing="disparity" if inverse else "depth",
        padding=scale_padding(padding, width) if count == 4 else None,
        reference=names[0].strip() if names else None,
    )


def planes_text(scene: Scene) -> str:
    """What a ``planes.txt`` says that gives a scene the planes that it has, with the reasons as comments.

    The first line is one of NeX's format. All digits are kept, so that reading it changes nothing.
    """
    geometry, unit, reasons = scene.geometry, scene.planes_unit, scene.reasons
    inverse = int(geometry.spacing == "disparity")
    padding = unscale_padding(geometry.padding, geometry.width)
    world = "the scaled world, where the nearest bound is 4/3" if unit == 1 else "units of the scene's files"
    return "\n".join(
        [
            f"{geometry.near * unit!r} {geometry.far * unit!r} {inverse} {padding}",
            f"{_REFERENCE} {scene.views[scene.reference].name}",
            f"{_COMMENT} Near and far plane ({world}),",
            f"{_COMMENT} 1: uniform in disparity, 0: in depth; canvas padding (pixels of photos 1008 wide).",
            f"{_COMMENT} Below: the view in whose frame the planes stand. Why:",
            f"{_COMMENT} near, far: {reasons.depths}",
            f"{_COMMENT} spacing: {reasons.spacing}",
            f"{_COMMENT} padding: {reasons.padding}",
            f"{_COMMENT} reference: {reasons.reference}",
            "",
        ]
    )


def _numbers(line: str) -> list[float]:
    """Return the numbers of a line; none if there is anything else."""
    try:
        return [float(word) for word in line.split()]
    except ValueError:
        return []


def read_split(root: Path, names: Sequence[str], holdout: int, stored: Split | None = None) -> Split:
    """Divide the views into those to learn from and those held out.

    ``train_image.txt`` and ``val_image.txt`` list photos, one a line, with or without folder and ending.
    If one of them is missing, all other views are the missing part; if both are, the split that the scene's
    format itself stores is taken, or else every ``holdout``-th view is held out, beginning with the first.

    Args:
        root: The scene's folder.
        names: Names of the views, sorted.
        holdout: Distance between held-out views where the scene has no lists; at least 2.
        stored: The split in the files of the scene's format, if there is one.

    Returns:
        The split; each part holds at least one view.

    Raises:
        UserError: There are less than two views, a list names an unknown photo, both lists name the
            same one, or a part would be empty.
    """
    check_view_count(root, len(names))
    train = _read_list(root / _TRAIN_FILE, names)
    test = _read_list(root / _TEST_FILE, names)
    if train is None and test is None and stored is not None:
        train, test = set(stored.train), set(stored.test)
    elif train is None and test is None:
        if holdout < 2:
            raise UserError(
                f"holdout: expected 2 or more, so that views are left to learn from, found {holdout}. "
                "Raise it."
            )
        test = set(range(0, len(names), holdout))
    everything = set(range(len(names)))
    train = everything - (test or set()) if train is None else train
    test = everything - train if test is None else test
    _check_split(root, names, train, test)
    return Split(train=tuple(sorted(train)), test=tuple(sorted(test)))


def _check_split(root: Path, names: Sequence[str], train: set[int], test: set[int]) -> None:
    """Raise a UserError unless both parts hold views and none is in both."""
    if both := sorted(train & test):
        raise UserError(
            f"{root / _TEST_FILE}: expected photos that {_TRAIN_FILE} doesn't list, found "
            f"'{names[both[0]]}' in both. Remove it from one of them."
        )
    for part, found in (("training", train), ("held-out", test)):
        if not found:
            raise UserError(
                f"{root}: expected at least 1 {part} view, found none among {len(names)} views. "
                f"Add photos, or correct {_TRAIN_FILE} and {_TEST_FILE} if there are any."
            )
    if unused := len(names) - len(train) - len(test):
        logger.warning("%s: %d views are neither in %s nor in %s", root, unused, _TRAIN_FILE, _TEST_FILE)


def _read_list(path: Path, names: Sequence[str]) -> set[int] | None:
    """Read the indices of the photos that a file lists; None if there is no such file."""
    if not path.exists():
        return None
    index = {name: position for position, name in enumerate(names)}
    found = set()
    for line in filter(None, map(str.strip, _read_lines(path))):
        photo = PurePosixPath(line.replace("\\", "/"))
        spellings = (str(photo), str(photo.parent / photo.stem), photo.name, photo.stem)
        known = next((spelling for spelling in spellings if spelling in index), None)
        if known is None:
            raise UserError(
                f"{path}: expected names of photos of this scene, such as '{names[0]}', found "
                f"'{line[:80]}'. Correct or remove that line."
            )
        found.add(index[known])
    return found


def _read_lines(path: Path) -> list[str]:
    """Read a text file; a byte order mark is dropped."""
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: expected a text file, found something else ({error}). Replace it."
        ) from error
