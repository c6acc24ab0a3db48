"""Finding photos by the names in a scene's files; those of LLFF scenes go by their order."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath

from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.folders import (
    PHOTO_ENDINGS,
    WIDE_ENDINGS,
    endings_text,
    photo_folders,
    suitable_folder,
)

# Endings of pictures of other formats, by which photos may be called whose copies are JPEG or PNG files.
_OTHER_ENDINGS = frozenset(
    f".{ending}"
    for ending in (
        *(
            "tif",
            "tiff",
            "bmp",
            "webp",
            "heic",
            "heif",
            "avif",
            "jxl",
            "gif",
            "exr",
            "hdr",
            "ppm",
            "pgm",
            "pnm",
        ),
        *("dng", "raw", "cr2", "cr3", "nef", "arw", "orf", "raf", "rw2", "jpe", "jp2", "tga"),
    )
)


def without_ending(name: str) -> str:
    """Return a photo's name or path without its ending; other parts after a dot, as in ``t.9``, are kept."""
    ending = PurePath(name).suffix
    return name.removesuffix(ending) if ending.lower() in {*PHOTO_ENDINGS, *_OTHER_ENDINGS} else name


def check_listed_once(source: Path, names: Sequence[str], files: Sequence[Path]) -> None:
    """Raise a UserError if entries of a scene's file lead to the same photo.

    Args:
        source: The file.
        names: Of the photos, as the file has them.
        files: Where they were found.
    """
    path, repeats = Counter(map(os.path.normpath, files)).most_common(1)[0]
    if repeats > 1:
        same = [name for name, file in zip(names, files, strict=True) if os.path.normpath(file) == path]
        spelt = "" if len(set(same)) == 1 else f" (as {', '.join(map(repr, sorted(set(same))))})"
        times = "twice" if repeats == 2 else f"{repeats} times"
        raise UserError(
            f"{source}: expected each photo once, found '{same[0]}' listed {times}{spelt}. Remove all "
            "entries of that photo but one."
        )


def find_photos(root: Path, names: Sequence[str], width: int | None) -> tuple[Path, ...]:
    """Find named photos in the most suitable of the folders that hold them all.

    Smaller copies may have another ending than the name says. `find_folder` says which folder is suitable.

    Args:
        root: The folder that holds ``images/`` or ``images_<n>/``.
        names: Paths below such a folder, with ending.
        width: Wanted width in pixels; None takes the widest folder.

    Returns:
        A photo for each name.

    Raises:
        UserError: No folder holds all of them; the message names one that is missing.
    """
    folders = photo_folders(root, width)
    found = {folder: _photos_by_name(folder, names) for folder in folders}
    complete = {folder: files for folder, files in found.items() if None not in files}
    if not complete:
        folder, files = max(found.items(), key=lambda item: len(names) - item[1].count(None))
        missing = names[files.index(None)]
        raise UserError(
            f"{folder / missing}: expected a photo of the scene's files there (ending in "
            f"{endings_text()}), found {files.count(None)} of {len(names)} photos missing. Copy "
            "them there, or remove them from the scene's files."
        )
    firsts = {folder: files[0] for folder, files in complete.items() if files[0]}
    return tuple(filter(None, complete[suitable_folder(firsts, width)]))


def existing_photo(root: Path, name: str, where: str) -> Path:
    """Find a photo by its path below a scene's folder.

    Args:
        root: The scene's folder.
        name: The path, with or without ending.
        where: The file that says so and the place in it, for the message.

    Raises:
        UserError: There is no such photo.
    """
    path = locate_photo(root / name.replace("\\", "/"))
    if path is None:
        raise UserError(
            f"{root / name}: expected a photo there (ending in {endings_text()}), as {where} says, "
            "found none. Copy it there, or remove it from that file."
        )
    return path


def locate_photo(path: Path) -> Path | None:
    """Find a photo by its path: with another ending, or with one at all where the path has none."""
    if is_file(path) and path.suffix.lower() in PHOTO_ENDINGS:
        return path
    all_endings = (*PHOTO_ENDINGS, *WIDE_ENDINGS)
    endings = [end for lower in all_endings for end in (lower, lower.upper(), lower.title())]
    stems = dict.fromkeys((path.name, without_ending(path.name)))
    candidates = [path.with_name(stem + end) for stem in stems for end in endings]
    return next(filter(is_file, candidates), None)


def is_file(path: Path) -> bool:
    """Return whether a file exists; of names that the file system can't have, none does."""
    try:
        return path.is_file()
    except OSError:
        return False


def _photos_by_name(folder: Path, names: Sequence[str]) -> list[Path | None]:
    """Return where the photos of a folder are, None for those that it lacks."""
    return [locate_photo(folder / name) for name in names]
