"""The interface of all readers of scenes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from normnex_pl.core.errors import UserError
from normnex_pl.data.scene.load import PosedPhotos


class SceneReader(ABC):
    """Read one kind of scene folder."""

    @abstractmethod
    def recognises(self, root: Path) -> bool:
        """Return whether a folder is of this kind, judged by the names of the files in it."""

    @abstractmethod
    def read(self, root: Path, width: int | None) -> PosedPhotos:
        """Read cameras, bounds and the places of the photos; load no photo.

        Args:
            root: The scene's folder.
            width: Wanted width of the photos in pixels, for choosing among folders of different sizes; None
                takes the widest folder.

        Returns:
            What the files say, in their own frame and units.

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
