"""Split into training and held-out views: by lists in the scene's folder, by its format, or every n-th photo.

The lists ``train_image.txt`` and ``val_image.txt`` are those of the NeX and Shiny data sets
(https://github.com/nex-mpi/nex-code).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.posed import PosedPhotos, Split, view_keys
from normnex_pl.data.readers.named_photos import without_ending
from normnex_pl.data.text_files import read_lines

logger = logging.getLogger(__name__)

TRAIN_FILE = "train_image.txt"
TEST_FILE = "val_image.txt"


def read_split(posed: PosedPhotos, holdout: int) -> Split:
    """Divide the views into those to learn from and those held out.

    ``train_image.txt`` and ``val_image.txt`` list photos, one a line, with or without folder and ending.
    If one of them is missing, all other views are the missing part; if both are, the split that the scene's
    format itself stores is taken, or else every ``holdout``-th view is held out, beginning with the first.

    Args:
        posed: As a reader returns it.
        holdout: Distance between held-out views where the scene has no lists; at least 2.

    Returns:
        The split; each part holds at least one view.

    Raises:
        UserError: A list names an unknown photo, both lists name the same one, or a part would be empty.
    """
    root, stored, names = posed.root, posed.split, view_keys(posed.files)
    train = _read_list(root / TRAIN_FILE, names)
    test = _read_list(root / TEST_FILE, names)
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
            f"{root / TEST_FILE}: expected photos that {TRAIN_FILE} doesn't list, found "
            f"'{names[both[0]]}' in both. Remove it from one of them."
        )
    for part, found in (("training", train), ("held-out", test)):
        if not found:
            raise UserError(
                f"{root}: expected at least 1 {part} view, found none among {len(names)} views. "
                f"Add photos, or correct {TRAIN_FILE} and {TEST_FILE} if there are any."
            )
    if unused := len(names) - len(train) - len(test):
        logger.warning("%s: %d views are neither in %s nor in %s", root, unused, TRAIN_FILE, TEST_FILE)


def _read_list(path: Path, names: Sequence[str]) -> set[int] | None:
    """Read the indices of the photos that a file lists; None if there is no such file."""
    if not path.exists():
        return None
    index = {name: position for position, name in enumerate(names)}
    found = set()
    for line in filter(None, map(str.strip, read_lines(path))):
        photo = PurePosixPath(line.replace("\\", "/"))
        spellings = (str(photo), without_ending(str(photo)), photo.name, without_ending(photo.name))
        known = next((spelling for spelling in spellings if spelling in index), None)
        if known is None:
            raise UserError(
                f"{path}: expected names of photos of this scene, such as '{names[0]}', found "
                f"'{line[:80]}'. Correct or remove that line."
            )
        found.add(index[known])
    return found
