"""Formats in which a run leaves for other programs: one module each."""

from normnex_pl.export.formats.base import ExportFormat
from normnex_pl.export.formats.mpi import BakedFormat

# What `normnex export --format=NAME` knows.
FORMATS: dict[str, ExportFormat] = {"mpi": BakedFormat()}

__all__ = ["FORMATS", "ExportFormat"]
