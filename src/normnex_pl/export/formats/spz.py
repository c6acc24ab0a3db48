"""Gaussian splats as SPZ: small."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from typing_extensions import override

from normnex_pl.export.baked.files import baked_folder
from normnex_pl.export.formats.base import CPU, ExportFormat, ViewRenderer
from normnex_pl.export.formats.splats import LOSES, expect_at_most, splat_view_renderer, write_splats
from normnex_pl.export.splats.convert import SplatSettings
from normnex_pl.export.splats.harmonics import HarmonicFit
from normnex_pl.export.splats.render import SplatRenderer, find_splat_renderer
from normnex_pl.export.splats.spz import LIMIT, MOST_SPLATS, STEPS, is_earlier_export, read_spz, write_spz
from normnex_pl.export.targets import expect_new_file

_ENDING = ".spz"


@dataclass(frozen=True)
class SPZFormat(ExportFormat):
    """Write splats in few bits.

    Attributes:
        settings: How exact and how many splats are.
        find: Finds a renderer for the score.
    """

    name = "spz"
    summary = "the same splats in a fraction of the bytes (SPZ 3: x right, y up, z back)"
    loses = f"{LOSES}; and precision, which is 8 bits"

    settings: SplatSettings = field(default_factory=SplatSettings)
    find: Callable[[torch.device], SplatRenderer | None] = find_splat_renderer

    @override
    def default_name(self, run: str) -> str:
        return run + _ENDING

    @override
    def write(self, run: Path, target: Path, device: torch.device = CPU) -> Path:
        expect_at_most(self.settings, MOST_SPLATS)
        baked_folder(run)
        expect_new_file(target, _ENDING, is_earlier_export)
        fit = HarmonicFit(limit=LIMIT, steps=STEPS)
        write = partial(write_spz, antialiased=self.settings.rasteriser.antialiased)
        return write_splats(run, target, device, self.settings, fit, write)

    @override
    def open(self, path: Path, device: torch.device) -> ViewRenderer:
        return splat_view_renderer(path, device, read_spz, self.find, self.settings.rasteriser)
