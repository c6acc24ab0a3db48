"""A real SLURM of one node: a run on two ranks that is stopped twice, queued again twice, and finished."""

from __future__ import annotations

import csv
import os
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cli.helpers import ROOT, metrics, scalars
from support.ports import free_port
from training.ranks.ranks import Holder, callback, environment
from training.ranks.runs import PRESET, STEPS, VARIANT, Straight, assert_same_weights, options, witnessed
from training.ranks.slurm import Cluster, missing, wait_for

pytestmark = pytest.mark.slow
# Where the run waits to be told: in its diffuse phase, and behind it.
NOTICE_AT, PREEMPTED_AT = 13, 33
PATIENCE = 200.0  # seconds, of machines that have other things to do


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Start a cluster that runs for the tests of this file."""
    if reason := missing():
        pytest.skip(reason)
    with Cluster() as running:
        yield running


@pytest.fixture
def normnex(tmp_path: Path) -> Path:
    """Write a program that is the command line with the tests' callbacks."""
    program = tmp_path / "normnex"
    script = Path(__file__).with_name("ranks.py")
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{script}' \"$@\"\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


@pytest.mark.timeout(600)  # the run starts three times
def test_a_job_is_stopped_queued_again_and_finished_in_one_run_folder(
    cluster: Cluster, normnex: Path, straight: Straight, scene: Path, tmp_path: Path
) -> None:
    held = callback(Holder, folder=str(tmp_path), steps=[NOTICE_AT, PREEMPTED_AT], seconds=PATIENCE)
    log = tmp_path / "job.log"
    settings = {"SCENE": str(scene), "VARIANT": VARIANT, "PRESET": PRESET, "NORMNEX": str(normnex)}
    settings |= {"WANDB_MODE": "offline"}
    settings |= {"MASTER_PORT": str(free_port())}  # Lightning's own would be the same for all first jobs
    settings |= {name: environment()[name] for name in ("PYTHONPATH", "OMP_NUM_THREADS")}
    job = cluster.call(
        *("sbatch", "--parsable", f"--output={log}", "--cpus-per-task=1"),
        *("experiments/cluster/run.sbatch", "-c", "experiments/loggers/wandb.yaml"),
        *options(tmp_path, held),
        **settings,
        cwd=ROOT,
    )

    def explain() -> str:
        text = log.read_text() if log.exists() else "no log"
        return f"{cluster.call('scontrol', 'show', 'job', job)}\n{text}\n{cluster.logs()}"

    # As two minutes before the end of its time.
    wait_for((tmp_path / f"step{NOTICE_AT}").exists, PATIENCE, explain)
    cluster.call("scancel", "--batch", "--signal=USR1", job)
    wait_for(lambda: cluster.field(job, "Restarts") == "1", PATIENCE, explain)

    # Somebody who has a right to the node wants it.
    wait_for((tmp_path / f"step{PREEMPTED_AT}").exists, PATIENCE, explain)
    urgent = cluster.call(
        "sbatch", "--parsable", "--partition=urgent", f"--output={os.devnull}", "--wrap=true", cwd=ROOT
    )
    wait_for(lambda: cluster.state(urgent) == "COMPLETED", PATIENCE, explain)
    wait_for(lambda: cluster.state(job) in ("COMPLETED", "FAILED"), PATIENCE, explain)

    said = log.read_text()
    assert cluster.state(job) == "COMPLETED", said
    assert cluster.field(job, "Restarts") == "2"
    assert said.count("Stopped by SIGUSR1 at step 20; ") == 1, said
    assert said.count("Stopped by SIGTERM at step 40; ") == 1, said
    assert said.count(f"Job {job}: not finished, queued again") == 1, said

    run = tmp_path / "run"
    assert [path.parent for path in tmp_path.rglob("config.yaml")] == [run]
    assert not list(tmp_path.rglob("hpc_ckpt*"))
    parts = [path.name.split("-", 3)[-1] for path in (run / "wandb").glob("offline-run-*")]
    assert len(parts) == 3, parts
    assert len(set(parts)) == 1, parts
    assert metrics(run)["steps"] == STEPS
    assert metrics(run)["views"] == metrics(straight.folder / "run")["views"]
    assert scalars(run) == scalars(straight.folder / "run")
    for found, expected in zip(witnessed(tmp_path), witnessed(straight.folder), strict=True):
        assert_same_weights(found["weights"], expected["weights"])


# A run that takes a while and writes its score at its end. It goes on where it was, and notes each beginning.
PROGRAM = """#!/bin/sh
for word; do
  case $word in
    --x=*) x=${word#--x=} ;;
    --folder=*) folder=${word#--folder=} ;;
  esac
done
echo begins >>"$folder/begins"
trap 'kill "$!"; exit 75' TERM USR1
sleep PAUSE & wait "$!"
printf 'step,val/psnr\\n1,%s\\n' "$x" >"$folder/metrics.csv"
echo ends >>"$folder/ends"
"""


def sweep_of(folder: Path, pause: float) -> Path:
    """Write a sweep of six such runs."""
    program = folder / "program.sh"
    program.write_text(PROGRAM.replace("PAUSE", str(pause)))
    sweep = {
        "name": "small",
        "method": "grid",
        "metric": {"name": "val/psnr", "goal": "maximize"},
        "program": str(program),
        "command": ["/bin/sh", "${program}", "${args}"],
        "parameters": {"x": {"values": [1, 2, 3, 4, 5, 6]}},
    }
    (folder / "scene").mkdir()
    (folder / "small.yaml").write_text(yaml.safe_dump(sweep))
    return folder / "small.yaml"


@pytest.mark.timeout(600)
def test_workers_of_an_array_share_a_sweep_and_a_killed_ones_run_is_taken_over(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Kill one of two workers in the middle of a run, and tell the other one that its time is nearly up."""
    sweep, out = sweep_of(tmp_path, pause=4.0), tmp_path / "out"
    program = tmp_path / "normnex"
    noting = f"echo $$ >{tmp_path}/pid$SLURM_ARRAY_TASK_ID"
    program.write_text(f"#!/bin/sh\n{noting}\nexec '{sys.executable}' -m normnex_pl \"$@\"\n")
    program.chmod(0o755)
    job = cluster.call(
        *("sbatch", "--parsable", f"--output={tmp_path}/log%a", "--cpus-per-task=1", "--array=0-1"),
        *("experiments/cluster/sweep.sbatch", str(sweep), str(tmp_path / "scene")),
        *(f"--out={out}", "--lease=6"),
        cwd=ROOT,
        NORMNEX=str(program),
        **{name: environment()[name] for name in ("PYTHONPATH", "OMP_NUM_THREADS")},
    )

    def logs() -> str:
        return "\n".join(path.read_text() for path in tmp_path.glob("log?")) + cluster.logs()

    def begun() -> int:
        return len(list((out / "runs").glob("*/begins")))

    wait_for(lambda: begun() >= 2, PATIENCE, logs)
    os.kill(int((tmp_path / "pid0").read_text()), signal.SIGKILL)
    cluster.call("scancel", "--batch", "--signal=USR1", f"{job}_1")
    wait_for(lambda: cluster.field(f"{job}_1", "Restarts") == "1", PATIENCE, logs)
    wait_for(lambda: not cluster.call("squeue", "--noheader", f"--jobs={job}"), PATIENCE, logs)
    said = logs()
    assert "given back" in said, said
    assert "its worker gives no sign of life, taken over" in said, said
    assert "Stopped by SIGUSR1. The same command goes on from here." in said, said
    with (out / "table.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["x"] for row in rows) == ["1", "2", "3", "4", "5", "6"]
    assert {row["state"] for row in rows} == {"finished"}
    ends = [(Path(row["folder"]) / "ends").read_text().splitlines() for row in rows]
    assert ends == 6 * [["ends"]]


def test_an_array_shares_a_comparison_of_scenes_and_variants(cluster: Cluster, tmp_path: Path) -> None:
    """Replace the command by a program that records its arguments."""
    program = tmp_path / "normnex"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/task$SLURM_ARRAY_TASK_ID\n')
    program.chmod(0o755)
    words = ["path/a", "path/b", "--variants=nex_rgb nex_ycbcr", "--", "--trainer.max_steps=3"]
    job = cluster.call(
        *("sbatch", "--parsable", f"--output={tmp_path}/log%a", "--cpus-per-task=1", "--array=0-1"),
        *("experiments/cluster/compare.sbatch", *words),
        cwd=ROOT,
        NORMNEX=str(program),
    )
    wait_for(lambda: not cluster.call("squeue", "--noheader", f"--jobs={job}"), PATIENCE, cluster.logs)
    for task in range(2):
        assert (tmp_path / f"task{task}").read_text().splitlines() == ["compare", "--worker", *words]
