"""All readers of scenes, and the one that finds the kind of a folder by itself."""

from __future__ import annotations

import logging
from pathlib import Path

from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.data.readers.base import SceneReader, check_folder
from normnex_pl.data.readers.colmap import ColmapReader
from normnex_pl.data.readers.llff import LLFFReader
from normnex_pl.data.readers.nerfstudio import NerfstudioReader
from normnex_pl.data.readers.spaces import SpacesReader
from normnex_pl.data.scene.load import PosedPhotos

__all__ = ["AnyKind", "ColmapReader", "LLFFReader", "NerfstudioReader", "SpacesReader"]

logger = logging.getLogger(__name__)


class AnyKind(SceneReader):
    """Let the first reader that recognises a folder read it.

    Poses that someone prepared come before what they were estimated from: LLFF (``poses_bounds.npy``),
    Spaces (``models.json``), nerfstudio (``transforms.json``), COLMAP (``sparse/0`` and the like).

    Args:
        readers: In the order in which they are asked; None takes the order above.
    """

    def __init__(self, readers: list[SceneReader] | None = None) -> None:
        self.readers = readers or [LLFFReader(), SpacesReader(), NerfstudioReader(), ColmapReader()]

    @override
    def recognises(self, root: Path) -> bool:
        return any(reader.recognises(root) for reader in self.readers)

    @override
    def read(self, root: Path, width: int | None) -> PosedPhotos:
        check_folder(root)
        fitting = [reader for reader in self.readers if reader.recognises(root)]
        if not fitting:
            raise UserError(
                f"{root}: expected a scene with poses_bounds.npy (LLFF), models.json (Spaces), "
                "transforms.json (nerfstudio) or a COLMAP model in sparse/0/, sparse/ or dense/sparse/, "
                "found none of these. Check the path of the scene, or make a scene of its photos first "
                "(make prepare)."
            )
        reader, *others = (type(one).__name__ for one in fitting)
        logger.info(
            "%s: read by %s%s", root, reader, f" (also possible: {', '.join(others)})" if others else ""
        )
        return fitting[0].read(root, width)
