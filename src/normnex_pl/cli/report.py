"""``normnex report``: the states of the runs in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from normnex_pl.core.files import write_text
from normnex_pl.studies.comparison import csv_table
from normnex_pl.studies.standings import run_folders, standing, standings_table


@dataclass(frozen=True)
class Options:
    """Print where runs stand, one a line, and write a CSV file with all scores.

    `training` is an unfinished run that has written something within 10 minutes; `stopped` goes on when it
    is started again.

    Attributes:
        runs: Folder that is searched with all below it.
        out: The CSV file; by default report.csv in that folder.
    """

    runs: Path = Path("runs")
    out: Path | None = None


def run(options: Options) -> None:
    """Read the files of the runs, print the table and write the CSV file."""
    found = [standing(folder) for folder in run_folders(options.runs)]
    print(standings_table(found, options.runs))  # noqa: T201
    out = options.out or options.runs / "report.csv"
    write_text(out, csv_table([one.run for one in found]))
    print(f"Scores: {out}")  # noqa: T201
