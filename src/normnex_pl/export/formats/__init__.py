"""Formats that a run can be exported to: one module each, listed here."""

from __future__ import annotations

from collections.abc import Mapping

from normnex_pl.export.formats.base import ExportFormat
from normnex_pl.export.formats.gltf import GLBFormat, GLTFFormat
from normnex_pl.export.formats.html import HTMLFormat
from normnex_pl.export.formats.layers import LayersFormat
from normnex_pl.export.formats.mpi import MPIFormat
from normnex_pl.export.formats.ply import PLYFormat
from normnex_pl.export.formats.spz import SPZFormat
from normnex_pl.export.formats.stereo import StereoFormat
from normnex_pl.export.stereo.layouts import LAYOUTS

# To add a format, write its class in a module of this folder and name it here.
FORMATS: Mapping[str, ExportFormat] = {
    one.name: one
    for one in (
        *(MPIFormat(), HTMLFormat(), GLBFormat(), GLTFFormat(), PLYFormat(), SPZFormat(), LayersFormat()),
        *(StereoFormat(layout) for layout in LAYOUTS.values()),
    )
}

__all__ = ["FORMATS", "ExportFormat"]
