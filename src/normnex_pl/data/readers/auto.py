"""The list of all readers of scenes, and the one that detects the kind of a folder."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.posed import PosedPhotos
from normnex_pl.data.readers.base import SceneReader, check_folder
from normnex_pl.data.readers.colmap import ColmapReader
from normnex_pl.data.readers.llff import LLFFReader
from normnex_pl.data.readers.nerfstudio import NerfstudioReader
from normnex_pl.data.readers.spaces import SpacesReader

# In the order in which they are asked: poses that someone prepared come before what they were estimated from.
READERS: tuple[type[SceneReader], ...] = (LLFFReader, SpacesReader, NerfstudioReader, ColmapReader)

logger = logging.getLogger(__name__)


class AnyKind(SceneReader):
    """Let the first reader that recognises a folder read it.

    Args:
        readers: In the order in which they are asked; None takes `READERS`.
    """

    def __init__(self, readers: list[SceneReader] | None = None) -> None:
        self.readers = readers or [reader() for reader in READERS]

    @property
    @override
    def looks_for(self) -> str:
        *others, last = (reader.looks_for for reader in self.readers)
        return f"{', '.join(others)} or {last}" if others else last

    @override
    def recognises(self, root: Path) -> bool:
        return any(reader.recognises(root) for reader in self.readers)

    @override
    def files(self, root: Path) -> Iterable[Path]:
        # Of all of them: a file that appears may change which one reads the folder.
        return {path for reader in self.readers for path in reader.files(root)}

    @override
    def read(self, root: Path, width: int | None) -> PosedPhotos:
        check_folder(root)
        fitting = [reader for reader in self.readers if reader.recognises(root)]
        if not fitting:
            raise UserError(
                f"{root}: expected a scene with {self.looks_for}, found none of these. Check the path of the "
                "scene, or make a scene of its photos first (normnex prepare)."
            )
        reader, *others = (type(one).__name__ for one in fitting)
        logger.info(
            "%s: read by %s%s", root, reader, f" (also possible: {', '.join(others)})" if others else ""
        )
        return fitting[0].read(root, width)
