"""Search for the masks of photos, by COLMAP's convention: ``masks/`` beside the folder of the photos.

The mask of ``images/p.jpg`` is ``masks/p.jpg.png`` or ``masks/p.png``
(https://colmap.github.io/faq.html, Mask image regions); photos in ``images_<n>/`` may have smaller ones in
``masks_<n>/``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path, PurePath

from normnex_pl.data.photos.folders import FOLDER_NAME

logger = logging.getLogger(__name__)

MASKS = "masks"
_PHOTOS = "images"
_ENDING = ".png"
# Of photos, which may stand before that of their mask; the photo at hand can be a copy with another one.
_PHOTO_ENDINGS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".exr", ".heic", ".heif", ".webp", ".avif")
_NAMED = 4


def masks_of_scene(root: Path, photos: Sequence[Path]) -> list[tuple[Path, ...]]:
    """Find the masks of a scene's photos.

    Args:
        root: The scene's folder.
        photos: In ``images/`` or ``images_<n>/``, or all below another folder.

    Returns:
        For each photo the files that may be its mask, of which there should be one or none.
    """
    common = Path(os.path.commonpath([photo.parent for photo in photos]))
    found = []
    for photo in photos:
        base = _photo_folder(root, photo) or common
        folder = base if base == root else base.parent
        suffix = base.name.removeprefix(_PHOTOS) if FOLDER_NAME.fullmatch(base.name) else ""
        places = dict.fromkeys((folder / f"{MASKS}{suffix}", folder / MASKS))
        candidates = (masks_in(place, photo.relative_to(base)) for place in places)
        found.append(next(filter(None, candidates), ()))
    _warn_of_others(found)
    return found


def masks_in(folder: Path, photo: PurePath) -> tuple[Path, ...]:
    """List the files in a folder of masks that belong to a photo.

    Args:
        folder: It need not exist.
        photo: Path below the folder of the photos.
    """
    place = folder / photo.parent
    if not place.is_dir():
        return ()
    return tuple(sorted(path for path in place.iterdir() if _is_mask_of(path, photo)))


def _is_mask_of(path: Path, photo: PurePath) -> bool:
    """Return whether a file is called as the mask of a photo is."""
    if path.suffix.lower() != _ENDING:
        return False
    named = PurePath(path.stem)  # p or p.jpg
    return path.stem in (photo.stem, photo.name) or (
        named.stem == photo.stem and named.suffix.lower() in _PHOTO_ENDINGS
    )


def _photo_folder(root: Path, photo: Path) -> Path | None:
    """Return the ``images/`` or ``images_<n>/`` that a photo lies in, perhaps deeply; None if it doesn't."""
    above = [folder for folder in photo.parents if folder.is_relative_to(root) and folder != root]
    return next((folder for folder in above if FOLDER_NAME.fullmatch(folder.name)), None)


def _warn_of_others(found: Sequence[tuple[Path, ...]]) -> None:
    """Log a warning about masks beside the found ones that belong to no photo."""
    known = {path for candidates in found for path in candidates}
    folders = sorted({path.parent for path in known})
    others = [path for folder in folders for path in sorted(folder.glob(f"*{_ENDING}")) if path not in known]
    if others:
        names = ", ".join(path.name for path in others[:_NAMED])
        logger.warning("%s: %d masks belong to no photo: %s", others[0].parent, len(others), names)
