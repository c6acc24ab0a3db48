"""Talk to W&B's engine for sweeps, which has an environment of its own since it needs an older numpy."""

from __future__ import annotations

import fcntl
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from normnex_pl.core.errors import UserError
from normnex_pl.studies.sweeps.config import Config


@dataclass(frozen=True)
class Importance:
    """The effect of a parameter on the score.

    Attributes:
        mean: Loss of a random forest's R^2 when the parameter's values are shuffled.
        deviation: Standard deviation of that loss over the shuffles.
        correlation: Spearman's rank correlation with the score; None for parameters without an order.
    """

    mean: float
    deviation: float
    correlation: float | None


class Engine:
    """The process of the engine, which answers until it is closed.

    Args:
        python: The Python of its environment.
        script: The program; its docstring lists the questions.
    """

    def __init__(self, python: Path, script: Path) -> None:
        # Its warnings are about itself; faults of a sweep are answers.
        self._process = subprocess.Popen(
            [python, script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C is for the sweep, not for the engine
        )

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def check(self, config: Config) -> list[str]:
        """Return the faults of a sweep's configuration, in W&B's words."""
        return list(self._ask("check", config=config)["faults"])

    def next_values(self, config: Config, runs: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
        """Return the values of a new run; None if there are no more."""
        values: dict[str, Any] | None = self._ask("next", config=config, runs=list(runs))["values"]
        return values

    def to_stop(self, config: Config, runs: Sequence[dict[str, Any]]) -> list[str]:
        """Return the names of running runs that are to be stopped early."""
        return list(self._ask("stop", config=config, runs=list(runs))["stop"])

    def importance(self, rows: Sequence[dict[str, Any]], scores: Sequence[float]) -> dict[str, Importance]:
        """Return the effect of each parameter on the score.

        Args:
            rows: Values of the parameters, a dictionary per run.
            scores: Of the runs.
        """
        found = self._ask("importance", rows=list(rows), scores=list(scores))
        return {
            name: Importance(mean, deviation, found["correlation"].get(name))
            for name, (mean, deviation) in found["importance"].items()
        }

    def _ask(self, what: str, **content: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"ask": what, **content}) + "\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline())
        except (OSError, ValueError) as error:
            raise UserError(
                f"W&B's engine for sweeps ended instead of answering ({what}). Delete "
                f"{Path(str(self._process.args[0])).parents[1]}, and start again."  # type: ignore[index]
            ) from error
        if "error" in answer:
            raise UserError(f"W&B's engine for sweeps can't work on this sweep: {answer['error']}")
        return answer


def prepare(
    script: Path,
    report: Callable[[str], None],
    folder: Path = Path(sys.prefix) / "sweeps",
) -> Engine:
    """Set up the engine's environment, once; ``requirements.txt`` beside the script says what it needs.

    Raises:
        UserError: It can't be installed.
    """
    requirements = script.with_name("requirements.txt")
    python, stamp = folder / "bin" / "python", folder / "installed"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            report(f"Setting up {folder}, for W&B's engine (once)")
            _run([sys.executable, "-m", "venv", str(folder)])
            pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
            _run([*pip, "--requirement", str(requirements)])
            stamp.write_text(wanted)
    return Engine(python, script)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["nothing was said"]
        raise UserError(
            "Sweeps without an account need W&B's package `sweeps` in an environment of its own, which could "
            f"not be installed ({' '.join(command[:4])} ...: {last[0]}). Connect to a package index once."
        )
