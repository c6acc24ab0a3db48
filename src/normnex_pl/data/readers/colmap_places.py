"""Locations of a scene's COLMAP models, and the choice between several.

COLMAP writes ``sparse/0``, ``sparse/1`` and so on where it can't join all photos into one model, in no order
of size. The image_undistorter writes ``dense/sparse/``, with the photos in ``dense/images/``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from normnex_pl.core.errors import UserError
from normnex_pl.data.readers.colmap_binary import read_binary_images
from normnex_pl.data.readers.colmap_model import ModelFiles, PosedImage
from normnex_pl.data.readers.colmap_text import read_text_images

logger = logging.getLogger(__name__)

_DENSE, _SPARSE = "dense/sparse", "sparse"
# In the order of preference.
_IMAGE_READERS: Mapping[str, Callable[[Path], tuple[PosedImage, ...]]] = {
    ".bin": read_binary_images,
    ".txt": read_text_images,
}


@dataclass(frozen=True)
class ModelPlace:
    """A folder with a model.

    Attributes:
        name: Path of the folder below the scene's.
        root: The scene's folder.
    """

    name: str
    root: Path

    @property
    def folder(self) -> Path:
        """The folder itself."""
        return self.root / self.name

    @property
    def photos(self) -> Path:
        """The folder that holds ``images/`` or ``images_<n>/``."""
        return self.root / "dense" if Path(self.name).parts[:1] == ("dense",) else self.root

    def forms(self) -> list[ModelFiles]:
        """Name the files of each form that a model may have here, in the order of preference."""
        return [ModelFiles.of(self.folder, ending) for ending in _IMAGE_READERS]

    def candidates(self) -> list[ModelFiles]:
        """List the forms in which the folder has a model, complete or not."""
        return [files for files in self.forms() if files.cameras.exists()]

    def files(self) -> ModelFiles:
        """Choose the files to read: binary unless only the text files are complete."""
        found = self.candidates() or [ModelFiles.of(self.folder, ".bin")]
        return next((files for files in found if all(path.exists() for path in files)), found[0])


def possible_places(root: Path) -> list[list[ModelPlace]]:
    """List where models may be: those of undistorted photos, then those of the photos themselves."""
    numbers = {base: _numbered(root / base) for base in (_DENSE, _SPARSE)}
    dense = [_DENSE, *(f"{_DENSE}/{number}" for number in numbers[_DENSE])]
    sparse = [*(f"{_SPARSE}/{number}" for number in numbers[_SPARSE]), _SPARSE]
    return [[ModelPlace(name, root) for name in names] for names in (dense, sparse)]


def model_places(root: Path) -> list[list[ModelPlace]]:
    """List the folders that hold models, complete or not, in the groups of `possible_places`."""
    found = [[place for place in group if place.candidates()] for group in possible_places(root)]
    return [group for group in found if group]


def by_size(places: Sequence[ModelPlace]) -> list[ModelPlace]:
    """Sort models by how many photos they have, the largest first; logs a warning that says how many.

    Those whose photos can't be counted come last. A single one isn't looked into.
    """
    if len(places) < 2:
        return list(places)
    counts = {place: _count(place) for place in places}
    ordered = sorted(places, key=lambda place: counts[place] or 0, reverse=True)
    listed = ", ".join(
        f"{place.name} " + ("(damaged)" if counts[place] is None else f"({counts[place]} photos)")
        for place in ordered
    )
    logger.warning(
        "%s: found several COLMAP models, reading the largest of %s. To read another, give "
        "--data.reader=ColmapReader --data.reader.model=%s",
        places[0].root,
        listed,
        ordered[1].name,
    )
    return ordered


def named_place(root: Path, name: str) -> ModelPlace | None:
    """Return the place that a path below a scene's folder names; None if the path leads out of it."""
    path = Path(name.replace("\\", "/"))
    outside = path.is_absolute() or ".." in path.parts
    return None if outside else ModelPlace(path.as_posix(), root)


def choose_model(root: Path, model: str | None) -> ModelPlace | None:
    """Choose the model to read.

    Args:
        root: The scene's folder.
        model: Path of the model's folder below it; None takes the largest, preferably of undistorted photos.

    Returns:
        The folder; None if there is no model.

    Raises:
        UserError: There is no model in the folder that was asked for.
    """
    groups = model_places(root)
    if model is None:
        return by_size(groups[0])[0] if groups else None
    place = named_place(root, model)
    if place is None or not place.candidates():
        names = ", ".join(place.name for group in groups for place in group) or "none"
        raise UserError(
            f"{root / model}: expected a COLMAP model in the folder below the scene's that "
            f"--data.reader.model names, found none; the scene has {names}. Give one of these."
        )
    return place


def _numbered(folder: Path) -> list[str]:
    """List the subfolders whose names are numbers, in numerical order."""
    children = folder.iterdir() if folder.is_dir() else ()
    return sorted((path.name for path in children if path.name.isdecimal() and path.is_dir()), key=int)


def _count(place: ModelPlace) -> int | None:
    """Count the photos of a model; None if its file is missing or damaged."""
    path = place.files().images
    try:
        return len(_IMAGE_READERS[path.suffix](path))
    except UserError as error:
        logger.debug("%s", error)
        return None
