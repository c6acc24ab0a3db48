"""Time the queue of sweeps: workers share runs that only sleep, and some of the workers are killed.

    python experiments/benchmarks/queue_workers.py [--trials=200] [--workers=8] [--kills=6] [--storage=URL]

Prints what was finished, lost, or finished twice, and the mean time from the end of a run to the begin of the
next one on the same worker, which is what the queue costs.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import redirect_stdout
from itertools import pairwise
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.trial import FrozenTrial, TrialState

from normnex_pl.cli.sweep import Options, run
from normnex_pl.studies.queue.leases import BEAT
from normnex_pl.studies.queue.run import QueueOptions, study_name
from normnex_pl.studies.queue.storage import open_storage

# Notes when it begins and ends. One that has ended before, and whose worker died before it noted that, ends
# at once, as a finished training does.
STUB = """#!/bin/sh
for word; do
  case $word in
    --x=*) x=${word#--x=} ;;
    --folder=*) folder=${word#--folder=} ;;
  esac
done
[ -e "$folder/metrics.csv" ] && exit 0
date +%s.%N >>"$folder/began"
sleep SECONDS
date +%s.%N >>"$folder/ended"
printf 'step,score\\n1,%s\\n' "$x" >"$folder/new" && mv "$folder/new" "$folder/metrics.csv"
"""


def prepare(folder: Path, trials: int, seconds: float) -> Path:
    """Write a sweep over a grid of runs that sleep, and return its file."""
    program = folder / "stub.sh"
    program.write_text(STUB.replace("SECONDS", str(seconds)), encoding="utf-8")
    sweep = {
        "name": "stub",
        "method": "grid",
        "metric": {"name": "score", "goal": "maximize"},
        "program": str(program),
        "command": ["/bin/sh", "${program}", "${args}"],
        "parameters": {"x": {"values": list(range(trials))}},
    }
    (folder / "scene").mkdir()
    (folder / "stub.yaml").write_text(yaml.safe_dump(sweep), encoding="utf-8")
    return folder / "stub.yaml"


def work(folder: Path, queue: QueueOptions) -> None:
    """Work on the sweep, as ``normnex sweep --worker`` does."""
    os.setsid()
    options = Options(str(folder / "stub.yaml"), folder / "scene", queue=queue, out=folder / "out")
    with (folder / "worker.log").open("a", encoding="utf-8") as text, redirect_stdout(text):
        run(options)


def campaign(
    folder: Path, queue: QueueOptions, workers: int, kills: int, pause: float
) -> tuple[list[BaseProcess], float]:
    """Start workers, kill some of them, each time starting another one, and wait until all is done.

    Args:
        folder: Of the sweep.
        queue: Where it is stored.
        workers: At a time.
        kills: In all.
        pause: Seconds between the first run and the first kill, and between kills.

    Returns:
        The workers that were not killed, and the seconds that all of it took.
    """
    context = multiprocessing.get_context("fork")  # they have imported everything
    began = time.monotonic()

    def start() -> BaseProcess:
        process = context.Process(target=work, args=(folder, queue))
        process.start()
        return process

    alive: list[BaseProcess] = [start() for _ in range(workers)]
    while kills and not any((folder / "out" / "runs").glob("*/began")):
        time.sleep(0.05)
    for _ in range(kills):
        time.sleep(pause)
        victim = random.choice([process for process in alive if process.is_alive()])
        assert victim.pid is not None
        os.kill(victim.pid, signal.SIGKILL)
        victim.join()
        alive.remove(victim)
        alive.append(start())
    for process in alive:
        process.join()
    return alive, time.monotonic() - began


def found(folder: Path, queue: QueueOptions) -> dict[str, Any]:
    """Return what became of the runs."""
    with open_storage(queue.storage, folder / "out", queue.lease) as storage:
        study = optuna.load_study(study_name=study_name(folder / "out", queue), storage=storage)
        trials = study.get_trials(deepcopy=False)
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    times = Counter(trial.params["x"] for trial in complete)
    ended = [path.read_text().count("\n") for path in (folder / "out" / "runs").glob("*/ended")]
    wanted = len(yaml.safe_load((folder / "stub.yaml").read_text())["parameters"]["x"]["values"])
    return {
        "finished": len(times),
        "lost": wanted - len(times),
        "finished_twice": sum(count > 1 for count in times.values()) + sum(count > 1 for count in ended),
        "attempts": len(trials),
        "overhead": _overhead(folder, complete),
    }


def _overhead(folder: Path, complete: list[FrozenTrial]) -> float | None:
    """Return the mean seconds between the end of a run and the begin of the next one on the same worker."""
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
    value = {}
    for path in (folder / "out" / "runs").glob("*/ended"):
        began = path.with_name("began").read_text().split()
        if len(began) == 1:
            x = path.with_name("metrics.csv").read_text().split(",")[-1]
            value[int(x)] = (float(began[0]), float(path.read_text().split()[0]))
    for trial in complete:
        if trial.params["x"] in value:
            spans[trial.user_attrs[BEAT]["worker"]].append(value[trial.params["x"]])
    gaps = [following[0] - before[1] for one in spans.values() for before, following in pairwise(sorted(one))]
    return statistics.fmean(gaps) if gaps else None


def main(words: list[str]) -> None:
    """Run the benchmark and print its result as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=1.0, help="that a run sleeps")
    parser.add_argument("--lease", type=float, default=10.0, help="seconds")
    parser.add_argument("--storage", help="postgresql://...; by default a journal")
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, options.trials, options.seconds)
        queue = QueueOptions(jobs=1, storage=options.storage, worker=True, lease=options.lease)
        pause = options.trials * options.seconds / options.workers / (options.kills + 1)
        _, seconds = campaign(folder, queue, options.workers, options.kills, pause)
        result = {"trials": options.trials, "workers": options.workers, "kills": options.kills}
        print(json.dumps(result | {"wall": seconds} | found(folder, queue)))


if __name__ == "__main__":
    main(sys.argv[1:])
