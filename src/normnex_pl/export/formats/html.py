"""One HTML file: the viewer and the baked image, to be opened from disk, mailed or put on any host."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import check_place, write_text
from normnex_pl.export.baked.files import MANIFEST, baked_folder, read_file, read_manifest
from normnex_pl.export.baked.image import BakedMPI
from normnex_pl.export.baked.recompress import recompress
from normnex_pl.export.baked.renderers import render_image
from normnex_pl.export.formats.base import CPU, ExportFormat, ViewRenderer
from normnex_pl.export.site.one_file import GENERATOR, embed, embedded_files
from normnex_pl.export.site.publish import VIEWER
from normnex_pl.export.targets import expect_new_file

_LOG = logging.getLogger(__name__)
_ENDING = ".html"
_LARGE = 50_000_000  # bytes; mail and many hosts refuse larger files, and phones run out of memory
_BEGIN = 4096  # bytes of a file in which it says who made it


@dataclass(frozen=True)
class HTMLFormat(ExportFormat):
    """Put the viewer and the image into one page.

    Attributes:
        quality: Of lossy WebP for base colours and opacities, 1 to 100; None keeps every byte.
    """

    name = "html"
    summary = "one web page with the viewer and the image inside, which works offline and from disk"
    loses = "what mpi loses; with --quality also detail of base colours and opacities"

    quality: int | None = None

    def __post_init__(self) -> None:
        """Raise a UserError if the quality is out of range."""
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise UserError(f"--quality: expected 1 to 100, found {self.quality}.")

    @override
    def default_name(self, run: str) -> str:
        return run + _ENDING

    @override
    def write(self, run: Path, target: Path, device: torch.device = CPU) -> Path:
        source = baked_folder(run)
        expect_new_file(target, _ENDING, _is_page)
        check_place(target.parent)
        with tempfile.TemporaryDirectory() as temporary:
            if self.quality is not None:
                recompress(source, Path(temporary), self.quality)
                source = Path(temporary)
            page = embed(VIEWER, _contents(source))
        write_text(target, page)
        size = target.stat().st_size
        if size > _LARGE:
            lower = 90 if self.quality is None else max(1, self.quality - 15)
            _LOG.warning(
                "%s: %.0f MB, more than the %.0f MB that phones and mail take well. Make it smaller: "
                "--quality=%d, or bake fewer tiles (normnex bake RUN --threshold=0.03).",
                *(target, size / 1e6, _LARGE / 1e6, lower),
            )
        return target

    @override
    def open(self, path: Path, device: torch.device) -> ViewRenderer:
        with tempfile.TemporaryDirectory() as temporary:
            for name, content in embedded_files(path.read_text(encoding="utf-8")).items():
                (Path(temporary) / name).write_bytes(content)
            baked = BakedMPI.read(Path(temporary)).to(device)
        return lambda camera: render_image(baked, camera)["rgb"]


def _contents(folder: Path) -> dict[str, bytes]:
    """Read all files of an image, each checked by its size and digest."""
    files = {entry.file: read_file(folder, entry) for entry in read_manifest(folder).files}
    return {MANIFEST: (folder / MANIFEST).read_bytes()} | files


def _is_page(path: Path) -> bool:
    """Return whether a file is an earlier export."""
    with path.open("rb") as file:
        return GENERATOR.encode() in file.read(_BEGIN)
