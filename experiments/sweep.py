"""Run a sweep: `make sweep SWEEP=file SCENE=path`, or this file with --help.

With a W&B account, the sweep is created there and agents work on it, one a GPU. Without one, or with
WANDB_MODE=offline, the same file is run on this machine by W&B's own engine.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from normnex_pl.core.errors import STOPPED, RunStoppedError, UserError
from normnex_pl.core.files import write_json, write_text
from normnex_pl.studies.batch import visible_gpus
from normnex_pl.studies.sweeps.config import Config, read_sweep
from normnex_pl.studies.sweeps.engine import Engine, prepare
from normnex_pl.studies.sweeps.local import LocalSweep
from normnex_pl.studies.sweeps.plot import write_plot
from normnex_pl.studies.sweeps.report import comparable, csv_report, markdown_report
from normnex_pl.studies.sweeps.state import SweepState
from normnex_pl.training.loggers.weights_and_biases import choose_mode

EXPERIMENTS = Path(__file__).resolve().parent
ENGINE = EXPERIMENTS / "sweeps" / "engine.py"
PROJECT = "normnex"


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0, 1 if a run failed, 2 for bad input, or `STOPPED` if it was interrupted."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    options = parser().parse_args(arguments)
    try:
        return sweep(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except RunStoppedError as stopped:
        print(stopped, file=sys.stderr)
        return STOPPED


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    result = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    result.add_argument("--sweep", type=Path, required=True, help="YAML file, such as those in sweeps/")
    result.add_argument("--scene", type=Path, required=True, help="folder of the scene")
    result.add_argument("--preset", default="fast", help="of all runs; default: fast")
    result.add_argument(
        "--count", type=int, help="runs in all; default: the file's run_cap, or all of a grid"
    )
    result.add_argument("--jobs", type=int, default=0, help="runs at a time; default: one a GPU, or one")
    result.add_argument("--out", type=Path, help="default: runs/<scene>/sweep-<name of the file>-<preset>")
    result.add_argument("args", nargs="*", help="behind --: more options of normnex fit, for all runs")
    return result


def sweep(options: argparse.Namespace) -> int:
    """Check the file, and work on the sweep here or at W&B."""
    if not options.scene.is_dir():
        raise UserError(f"{options.scene}: expected the folder of a scene, found none. Check SCENE.")
    words = [f"--scene={options.scene}", f"--preset={options.preset}", *options.args]
    config = read_sweep(options.sweep, words)
    count = options.count or config.get("run_cap")
    if (count is None and config["method"] != "grid") or (count is not None and count < 1):
        raise UserError(f"{options.sweep}: expected a number of runs, found {count}. Say COUNT=n.")
    name = f"sweep-{options.sweep.stem}-{options.preset}"
    out = options.out or Path("runs") / options.scene.resolve().name / name
    with prepare(ENGINE, report) as engine:
        if faults := engine.check(config):
            raise UserError(f"{options.sweep}: expected a sweep by W&B's schema, found: {'; '.join(faults)}")
        if choose_mode() == "online":
            return at_wandb(config, out, count)
        return here(config, out, count, options.jobs, engine)


def here(config: Config, out: Path, count: int | None, jobs: int, engine: Engine) -> int:
    """Run the sweep on this machine, without an account."""
    state = SweepState.of(out, config)
    LocalSweep(state, engine, count, jobs, report, ended=lambda: write_tables(state)).go()
    write_tables(state)
    print(f"\n{(out / 'table.md').read_text(encoding='utf-8')}")
    print(f"Table: {out / 'table.md'}, {out / 'table.csv'}")
    runs = comparable(state)
    if runs is None:
        print("Importance: none, since there are fewer than three runs with scores, or nothing differs")
    else:
        found = engine.importance(runs.values, runs.scores)
        write_plot(out / "importance.png", title(config), config, found, runs)
        print(f"Importance: {out / 'importance.png'}")
    return int(any(run.state == "failed" for run in state.runs))


def title(config: Config) -> str:
    """What the sweep was, for its picture and its table."""
    words = [word.removeprefix("--") for word in config["command"] if word.startswith("--")]
    return f"Sweep {config.get('name', 'without a name')}: {' '.join(words)}"


def write_tables(state: SweepState) -> None:
    """Write what is known so far."""
    write_text(state.folder / "table.md", f"{title(state.config)}\n\n{markdown_report(state)}")
    write_text(state.folder / "table.csv", csv_report(state))


def at_wandb(config: Config, out: Path, count: int | None) -> int:
    """Create the sweep at W&B, or find the one that this folder has, and work on it until it ends."""
    import wandb

    state = SweepState.of(out, config)
    place = out / "wandb_sweep.txt"
    if not place.exists():
        project = os.environ.get("WANDB_PROJECT", PROJECT)
        number = wandb.sweep(config, project=project)
        write_json(out / "sweep.json", {"config": state.config, "runs": []})
        write_text(place, f"{wandb.Api().default_entity}/{project}/{number}")
    path = place.read_text(encoding="utf-8")
    report(f"Sweep {path}: its runs are in {out / 'runs'}, tables and importance at W&B")
    agents = [
        subprocess.Popen(words, env=environment)
        for words, environment in agent_calls(path, out, count, visible_gpus())
    ]
    return int(any(status != 0 for status in [agent.wait() for agent in agents]))


def agent_calls(
    path: str, out: Path, count: int | None, gpus: Sequence[str]
) -> list[tuple[list[str], dict[str, str]]]:
    """Words and environment of W&B's agents, one a GPU, which share the runs evenly."""
    binaries = str(Path(sys.executable).parent)
    ours = {
        "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}",  # ${interpreter} is `python` there
        "NORMNEX_SWEEP_FOLDER": str(out.resolve()),
    }
    calls = []
    agents = max(1, len(gpus))
    for place in range(agents):
        share = [] if count is None else ["--count", str(count // agents + (place < count % agents))]
        environment = os.environ | ours | ({"CUDA_VISIBLE_DEVICES": gpus[place]} if gpus else {})
        calls.append(([sys.executable, "-m", "wandb", "agent", *share, path], environment))
    return calls


def report(line: str) -> None:
    """Print at once, also into a file."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
