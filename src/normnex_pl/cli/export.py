"""``normnex export RUN --format=NAME --output=DIR``: a run for other programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from normnex_pl.core.errors import UserError
from normnex_pl.export.formats import FORMATS


@dataclass(frozen=True)
class Options:
    """Write a trained and baked run in a format for other programs.

    Attributes:
        run: Folder of the run.
        format: Name of the format, see below.
        output: Folder to write; by default NAME of the format beside the run's own files, in export/.
    """

    notes: ClassVar[str] = "\n".join(
        ["formats:", *(f"  {one.name}: {one.summary}\n    loses {one.loses}" for one in FORMATS.values())]
    )

    run: Path
    format: str = "mpi"
    output: Path | None = None


def run(options: Options) -> None:
    """Write the files."""
    chosen = FORMATS.get(options.format)
    if chosen is None:
        raise UserError(f"--format: expected one of {', '.join(FORMATS)}, found {options.format}.")
    target = options.output or options.run / "export" / options.format
    print(f"{chosen.write(options.run, target)} is written")  # noqa: T201
