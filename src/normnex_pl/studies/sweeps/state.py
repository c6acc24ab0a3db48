"""The state of a sweep on this machine: one file, replaced whole, from which the sweep goes on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import write_json
from normnex_pl.studies.sweeps.config import Config
from normnex_pl.training.loggers.metrics_csv import read_history
from normnex_pl.training.run_folder import RunFolder
from normnex_pl.training.run_identity import first_difference

State = Literal["running", "finished", "stopped", "failed"]


@dataclass
class SweepRun:
    """A run of a sweep.

    Attributes:
        name: Its name, and that of its folder.
        values: Of the sweep's parameters.
        state: ``stopped`` means early, by the sweep; a run that was interrupted is still ``running``.
        failure: Why it failed, in a line.
    """

    name: str
    values: dict[str, Any]
    state: State = "running"
    failure: str | None = None


@dataclass
class SweepState:
    """A sweep in its folder.

    Attributes:
        folder: Holds ``sweep.json`` and ``runs/``.
        config: The sweep's configuration.
        runs: In the order of their proposal.
    """

    folder: Path
    config: Config
    runs: list[SweepRun] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path, config: Config) -> SweepState:
        """Return the sweep of a folder, or a new one.

        Raises:
            UserError: The folder holds another sweep.
        """
        path = folder / "sweep.json"
        if not path.exists():
            return cls(folder, config)
        content = json.loads(path.read_text(encoding="utf-8"))
        difference = first_difference(content["config"], config)
        if difference:
            raise UserError(
                f"{folder}: expected a new folder or a part of the same sweep, found another one "
                f"({difference}). Choose another folder (--out), or delete it."
            )
        return cls(folder, config, [SweepRun(**run) for run in content["runs"]])

    def save(self) -> None:
        """Write the file."""
        runs = [asdict(run) for run in self.runs]
        write_json(self.folder / "sweep.json", {"config": self.config, "runs": runs})

    def add(self, values: dict[str, Any]) -> SweepRun:
        """Return a new run."""
        self.runs.append(SweepRun(f"run_{len(self.runs) + 1:03d}", values))
        return self.runs[-1]

    def folder_of(self, run: SweepRun) -> Path:
        """Return the run folder."""
        return self.folder / "runs" / run.name

    def history(self, run: SweepRun) -> list[tuple[int, float]]:
        """Return steps and scores of a run so far."""
        return read_history(RunFolder(self.folder_of(run)).metrics_csv, self.config["metric"]["name"])

    def for_engine(self) -> list[dict[str, Any]]:
        """Return the runs as W&B's engine takes them; those stopped early count with their scores so far."""
        states = {"stopped": "finished"}
        return [
            {
                "name": run.name,
                "state": states.get(run.state, run.state),
                "config": {name: {"value": value} for name, value in run.values.items()},
                "history": [{self.config["metric"]["name"]: value} for _, value in self.history(run)],
            }
            for run in self.runs
        ]
