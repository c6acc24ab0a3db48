"""The interface of all readers of scenes.

A new kind of scene is a file beside this one, with a class that implements `SceneReader`, and the name of
that class in `normnex_pl.data.readers.auto.READERS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.posed import PosedPhotos


class SceneReader(ABC):
    """Read one kind of scene folder."""

    @property
    @abstractmethod
    def looks_for(self) -> str:
        """The files that mark this kind, and its name, for messages: ``poses_bounds.npy (LLFF)``."""

    @abstractmethod
    def recognises(self, root: Path) -> bool:
        """Return whether a folder is of this kind, by the names of the files in it."""

    @abstractmethod
    def files(self, root: Path) -> Iterable[Path]:
        """List the existing files that `read` may depend on, photos of all sizes included.

        Their contents tell whether two runs saw the same scene. Rather too many than too few: with one left
        out, a run that should be repeated is not. ``planes.txt`` and the lists of training and held-out views
        are added for all kinds.

        Args:
            root: The scene's folder, which exists; all files lie in it.
        """

    @abstractmethod
    def read(self, root: Path, width: int | None) -> PosedPhotos:
        """Read cameras, bounds and the places of the photos; load no photo.

        Args:
            root: The scene's folder, which exists.
            width: Wanted width of the photos in pixels, for choosing among folders of different sizes; None
                takes the widest folder.

        Returns:
            Everything but names and images, in the frame and units of the files. Distorted photos, and sizes
            that differ a little, are dealt with later (see `normnex_pl.data.scene.load`), and so are poses
            and bounds that are impossible.

        Raises:
            UserError: A file is missing, damaged or contradicts another; the message names it.
        """


def check_folder(root: Path) -> None:
    """Raise a UserError unless the scene's folder exists."""
    if not root.exists():
        raise UserError(f"{root}: expected a folder with a scene, found nothing there. Check the path.")
    if not root.is_dir():
        raise UserError(
            f"{root}: expected a folder with a scene, found a file. Give the folder that holds it."
        )
