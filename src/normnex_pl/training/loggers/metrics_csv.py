"""A logger that writes ``metrics.csv`` and goes on in it when a run is resumed."""

from __future__ import annotations

import csv
import logging
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import replacing

_LOG = logging.getLogger(__name__)


def read_history(path: Path, name: str) -> list[tuple[int, float]]:
    """Return the steps and values of one metric that have been written; none if there is no such file.

    Raises:
        UserError: The file is damaged.
    """
    return [(int(row["step"]), float(row[name])) for row in read_rows(path) if name in row]


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows that have been written, without their empty cells; none if there is no such file.

    Raises:
        UserError: The file is damaged, or something else wrote it.
    """
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            rows = [{key: cell for key, cell in row.items() if cell} for row in reader]
        if "step" not in (reader.fieldnames or ["step"]):
            raise KeyError("step")
        for row in rows:
            _check_row(row)
    except (ValueError, TypeError, KeyError, csv.Error) as error:
        raise UserError(
            f"{path}: expected a column called step and numbers, with commas between them, found a damaged "
            f"file ({error!r}). Remove it, or restore what a run wrote."
        ) from error
    return rows


def _check_row(row: Mapping[str, str]) -> None:
    """Raise an error unless a row has a step, and numbers."""
    int(row["step"])
    for cell in row.values():
        float(cell)


@rank_zero_only
def _put_aside(path: Path) -> None:
    """Keep a damaged file under another name."""
    path.replace(path.with_name(f"{path.stem}.damaged{path.suffix}"))


class MetricsCSV(Logger):
    """Write a row for each logged step, with a column for each metric.

    Lightning's own CSV logger deletes the rows of a run that is resumed.

    Args:
        path: The file.
        flush_every: Rows between two writes.
    """

    def __init__(self, path: Path, flush_every: int = 20) -> None:
        super().__init__()
        self.path = path
        self.flush_every = flush_every
        self._rows: list[dict[str, Any]] = []
        self._unsaved = 0
        try:
            self._rows.extend(read_rows(path))
        except UserError as error:
            _LOG.warning("%s The rows of earlier steps are left out.", error)
            _put_aside(path)

    @property
    @override
    def name(self) -> str:
        """The run folder's name."""
        return self.path.parent.name

    @property
    @override
    def version(self) -> str:
        """Empty: a folder has one log."""
        return ""

    @property
    @override
    def save_dir(self) -> str:
        """The run folder."""
        return str(self.path.parent)

    @override
    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Ignore them: the configuration has a file of its own."""

    @override
    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add a row; rows of later steps, written before the run was resumed, are dropped."""
        step = step or 0
        self._rows = [row for row in self._rows if int(row["step"]) <= step]
        if self._rows and int(self._rows[-1]["step"]) == step:
            self._rows[-1].update(metrics)
        else:
            self._rows.append({"step": step, **metrics})
        self._unsaved += 1
        if self._unsaved >= self.flush_every:
            self.save()

    @override
    @rank_zero_only
    def save(self) -> None:
        """Write all rows, if any is new."""
        if not self._unsaved:
            return
        columns = list(dict.fromkeys(key for row in self._rows for key in row))
        with replacing(self.path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(self._rows)
        self._unsaved = 0

    @override
    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write the remaining rows."""
        self.save()
