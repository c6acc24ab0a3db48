"""The baked multiplane image itself, as `baked.manifest` describes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import replacing_folder
from normnex_pl.export.baked.files import MANIFEST, baked_folder, copy_image, read_manifest
from normnex_pl.export.baked.image import BakedMPI
from normnex_pl.export.baked.renderers import render_image
from normnex_pl.export.formats.base import CPU, ExportFormat, ViewRenderer
from normnex_pl.export.targets import expect_new_or_empty


@dataclass(frozen=True)
class MPIFormat(ExportFormat):
    """Copy the baked files, each checked by its size and digest."""

    name = "mpi"
    summary = "the baked multiplane image: manifest.json, textures in WebP or PNG, and tables"
    loses = (
        "precision beyond 8 bits, and what no training view sees; the trained field stays in the checkpoint"
    )

    @override
    def default_name(self, run: str) -> str:
        return self.name

    @override
    def write(self, run: Path, target: Path, device: torch.device = CPU) -> Path:
        source = baked_folder(run)
        if not _holds_an_image_alone(target):
            expect_new_or_empty(target)
        if target.resolve().is_relative_to(source.resolve()):
            raise UserError(f"{target}: expected a folder outside the baked image {source}. Name another.")
        with replacing_folder(target) as temporary:
            copy_image(source, temporary)
        return target

    @override
    def open(self, path: Path, device: torch.device) -> ViewRenderer:
        baked = BakedMPI.read(path).to(device)
        return lambda camera: render_image(baked, camera)["rgb"]


def _holds_an_image_alone(target: Path) -> bool:
    """Return whether a folder is an earlier export: a manifest, files that it names, and nothing else."""
    try:
        known = {MANIFEST, *(entry.file for entry in read_manifest(target).files)}
    except UserError:
        return False
    return all(path.name in known and path.is_file() for path in target.iterdir())
