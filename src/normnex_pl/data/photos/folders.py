"""Search for the photos of a scene: the folder, and the files in it.

A scene keeps its photos in ``images/`` and, often, smaller copies in ``images_<n>/``. Which folder is
read depends on the wanted width (see `find_folder`); the choice looks at file headers only.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.header import read_size

logger = logging.getLogger(__name__)

PHOTO_ENDINGS = (".jpg", ".jpeg", ".png")
# Photos where a folder has none of the usual ones; beside these, they are often depths or originals.
WIDE_ENDINGS = (".exr", ".tif", ".tiff")
FOLDER_NAME = re.compile(r"images(_\d+(x\d+)?)?")


def endings_text() -> str:
    """List the endings of photos, for messages."""
    return ", ".join((*PHOTO_ENDINGS, *WIDE_ENDINGS))


def find_folder(root: Path, width: int | None) -> Path:
    """Choose among ``images/`` and ``images_<n>/`` (or ``images_<w>x<h>/``) the one to load from.

    In this order: a folder whose photos are exactly ``width`` wide; the narrowest of the wider ones (its
    photos are then to be scaled down); the widest of all (nothing is ever enlarged). The width of a folder
    is that of its first photo as stored. A folder whose first photo can't be read is passed over where
    another is wide enough.

    Args:
        root: The scene's folder.
        width: Wanted width in pixels; None takes the widest folder.

    Returns:
        The chosen folder, which holds at least one photo.

    Raises:
        UserError: There is no such folder, all of them are empty, or a header that is needed can't be read.
    """
    folders = photo_folders(root, width)
    photos = {folder: list_photos(folder) for folder in folders}
    firsts = {folder: files[0] for folder, files in photos.items() if files}
    if not firsts:
        names = ", ".join(f"{folder.name}/" for folder in folders)
        endings = Counter(path.suffix for folder in folders for path in folder.iterdir() if path.is_file())
        others = ", ".join(f"{count} x {ending}" for ending, count in endings.most_common(3) if ending)
        raise UserError(
            f"{root}: expected photos that end in {endings_text()}, found none in {names}"
            + (f", but {others}. Convert them to JPEG or PNG." if others else ". Copy the photos there.")
        )
    return suitable_folder(firsts, width)


def photo_folders(root: Path, width: int | None) -> tuple[Path, ...]:
    """List the folders that hold photos of any size, by their names.

    Args:
        root: The folder that holds them.
        width: Wanted width in pixels, which is checked here.

    Raises:
        UserError: There is no such folder, or no such width.
    """
    if width is not None and width < 1:
        raise UserError(
            f"image width: expected a positive number of pixels, found {width}. Choose another width."
        )
    children = sorted(root.iterdir()) if root.is_dir() else []
    folders = tuple(path for path in children if path.is_dir() and FOLDER_NAME.fullmatch(path.name))
    if not folders:
        raise UserError(
            f"{root}: expected the photos in a folder images/ or images_<n>/ (such as images_4/), found "
            "neither. Put the photos there, or check the path of the scene."
        )
    return folders


def suitable_folder(photos: Mapping[Path, Path], width: int | None) -> Path:
    """Choose a folder by the width of its photos, see `find_folder`.

    Args:
        photos: The first photo of each folder.
        width: Wanted width in pixels; None takes the widest.

    Raises:
        UserError: A header that is needed can't be read.
    """
    widths, refusals = _read_widths(photos)
    # min and max take the first of equals: images/ before images_<n>/.
    enough = [folder for folder in widths if width is not None and widths[folder] >= width]
    for folder, refusal in refusals.items():
        if not enough:  # it may be the only one that is
            raise refusal
        logger.warning("%s: passed over, since other photos are wide enough (%s)", folder, refusal)
    chosen = min(enough, key=widths.__getitem__) if enough else max(widths, key=widths.__getitem__)
    if width is not None and not enough:
        logger.warning(
            "%s: no photos are as wide as %d; using those of %d pixels as they are",
            chosen,
            width,
            widths[chosen],
        )
    else:
        logger.info("photos: %s, %d pixels wide, wanted %s", chosen, widths[chosen], width or "the widest")
    return chosen


def _read_widths(photos: Mapping[Path, Path]) -> tuple[dict[Path, int], dict[Path, UserError]]:
    """Return the width of each folder's first photo, or why it can't be read."""
    widths, refusals = {}, {}
    for folder, photo in photos.items():
        try:
            widths[folder] = read_size(photo, "stored")[0]
        except UserError as error:
            refusals[folder] = error
    return widths, refusals


def list_photos(folder: Path) -> tuple[Path, ...]:
    """List the photos of a folder, sorted by file name; hidden files are left out.

    Args:
        folder: An existing folder.

    Returns:
        The JPEG and PNG files, by their names in any capitalisation; if there are none, the OpenEXR and TIFF
        files.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    usual, wide = (
        tuple(path for path in files if path.suffix.lower() in endings)
        for endings in (PHOTO_ENDINGS, WIDE_ENDINGS)
    )
    return usual or wide


def photos_below(root: Path) -> tuple[Path, ...]:
    """List the files in a folder, and in all below it, that may be photos or masks; no hidden ones."""
    endings = (*PHOTO_ENDINGS, *WIDE_ENDINGS)
    paths = (path for path in root.rglob("*") if path.suffix.lower() in endings and path.is_file())
    return tuple(path for path in sorted(paths) if not is_hidden(path.relative_to(root)))


def is_hidden(path: Path) -> bool:
    """Return whether a part of a relative path begins with a full stop."""
    return any(part.startswith(".") for part in path.parts)
