"""Gaussian splats as PLY: large, and exact to single precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from typing_extensions import override

from normnex_pl.export.baked.files import baked_folder
from normnex_pl.export.formats.base import CPU, ExportFormat, ViewRenderer
from normnex_pl.export.formats.splats import LOSES, splat_view_renderer, write_splats
from normnex_pl.export.splats.convert import SplatSettings
from normnex_pl.export.splats.harmonics import HarmonicFit
from normnex_pl.export.splats.ply import MADE_BY, read_ply, write_ply
from normnex_pl.export.splats.render import SplatRenderer, find_splat_renderer
from normnex_pl.export.targets import expect_new_file

_ENDING = ".ply"
_BEGIN = 256  # bytes of a file in which it says who made it


@dataclass(frozen=True)
class PLYFormat(ExportFormat):
    """Write splats in the layout of 3D Gaussian splatting's trainer.

    Attributes:
        settings: How exact and how many splats are.
        find: Finds a renderer for the score.
    """

    name = "ply"
    summary = "Gaussian splats in the layout of 3D Gaussian splatting (x right, y down, z forward)"
    loses = LOSES

    settings: SplatSettings = field(default_factory=SplatSettings)
    find: Callable[[torch.device], SplatRenderer | None] = find_splat_renderer

    @override
    def default_name(self, run: str) -> str:
        return run + _ENDING

    @override
    def write(self, run: Path, target: Path, device: torch.device = CPU) -> Path:
        baked_folder(run)
        expect_new_file(target, _ENDING, _is_ours)
        return write_splats(run, target, device, self.settings, HarmonicFit(), write_ply)

    @override
    def open(self, path: Path, device: torch.device) -> ViewRenderer:
        return splat_view_renderer(path, device, read_ply, self.find, self.settings.rasteriser)


def _is_ours(path: Path) -> bool:
    """Return whether a file is an earlier export."""
    with path.open("rb") as file:
        return MADE_BY.encode() in file.read(_BEGIN)
