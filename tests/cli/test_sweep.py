"""``normnex sweep`` without an account: W&B's own engine, and programs that it really starts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cli.helpers import EXPERIMENTS, HELD_OUT, failure, small, status_of
from normnex_pl.cli.options import parse
from normnex_pl.cli.trial import Options as TrialOptions
from normnex_pl.core.errors import RunStoppedError, UserError
from normnex_pl.studies.sweeps.config import command_line, read_sweep
from normnex_pl.studies.sweeps.engine import Engine, prepare
from normnex_pl.studies.sweeps.local import LocalSweep
from normnex_pl.studies.sweeps.online import agent_calls
from normnex_pl.studies.sweeps.report import comparable, markdown_report
from normnex_pl.studies.sweeps.state import SweepState
from normnex_pl.training.configurations import known

FILES = sorted((EXPERIMENTS / "sweeps").glob("*.yaml"))
ENGINE = EXPERIMENTS / "sweeps" / "engine.py"

# Stands for a training: its score is better the nearer x is to 3, and grows over five validations. Where x
# is far off, it never ends by itself.
PROGRAM = """
import argparse, pathlib, signal, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float)
parser.add_argument("--kind", default="a")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--pause", type=float, default=0)
parser.add_argument("--folder", type=pathlib.Path)
options = parser.parse_args()
print("begins", options.x, flush=True)
if options.kind == "broken":
    sys.exit("error: it breaks")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
path = options.folder / "metrics.csv"
rows = path.read_text().splitlines() if path.exists() else ["step,val/psnr"]
for number in range(len(rows), 6):
    while number == 3 and options.x > 8:
        time.sleep(0.1)
    time.sleep(options.pause)
    rows.append(f"{10 * number},{number - (options.x - 3) ** 2 + 0.01 * options.seed}")
    path.with_suffix(".new").write_text("\\n".join(rows) + "\\n")
    path.with_suffix(".new").replace(path)
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """Start the engine in its own environment, which is set up once."""
    try:
        engine = prepare(ENGINE, print)
    except UserError as error:
        pytest.skip(str(error))
    with engine:
        yield engine


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_MODE", "offline")


def written(folder: Path, **content: Any) -> dict[str, Any]:
    """Write a sweep of the program above, by default over x on a grid."""
    (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
    base = {
        "name": "small",
        "method": "grid",
        "metric": {"name": "val/psnr", "goal": "maximize"},
        "program": str(folder / "program.py"),
        "parameters": {"x": {"values": [1.0, 2.0, 4.5]}},
    }
    (folder / "sweep.yaml").write_text(yaml.safe_dump(base | content), encoding="utf-8")
    return read_sweep(folder / "sweep.yaml", [])


def swept(folder: Path, config: dict[str, Any], engine: Engine, **options: Any) -> SweepState:
    """Run a sweep, and return it."""
    state = SweepState.of(folder / "out", config)
    LocalSweep(state, engine, **({"count": None, "every": 0.05} | options)).go()
    return SweepState.of(folder / "out", config)  # as it is stored


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_our_sweeps_are_valid_by_wandbs_schema(path: Path, engine: Engine) -> None:
    config = read_sweep(path, ["my scene", "--preset=fast"])
    assert engine.check(config) == []
    assert config["metric"] == {"name": "val/psnr", "goal": "maximize"}  # never the test views
    assert config["name"] == path.stem
    program = config["command"].index("${program}")
    assert config["command"][program + 1 :] == ["trial", "${args}", "my scene", "--preset=fast"]


def test_what_the_schema_refuses_is_told(tmp_path: Path, engine: Engine) -> None:
    assert engine.check(written(tmp_path, parameters={"x": {"min": 2, "max": 1}}))
    assert engine.check(written(tmp_path, parameters={"x": {"from": 1}}))
    assert not engine.check(written(tmp_path))


def test_regularizers_search_the_weights_that_they_name() -> None:
    config = yaml.safe_load((EXPERIMENTS / "sweeps" / "regularizers.yaml").read_text(encoding="utf-8"))
    names = ("orientation", "consistency", "distortion", "tv_base_color", "gradient")
    for name in names:
        assert config["parameters"][f"model.weights.{name}"]["min"] > 0
    assert (config["method"], config["early_terminate"]["type"]) == ("bayes", "hyperband")


def test_variants_are_all_there_are() -> None:
    config = yaml.safe_load((EXPERIMENTS / "sweeps" / "variants.yaml").read_text(encoding="utf-8"))
    assert set(config["parameters"]["variant"]["values"]) == set(known("variants"))


VALUES = st.dictionaries(
    st.text("abc._", min_size=1), st.one_of(st.floats(), st.integers(), st.text(), st.booleans(), st.none())
)


@settings(deadline=None, max_examples=30)
@given(VALUES)
def test_a_run_is_started_as_wandbs_agent_would(values: dict[str, Any]) -> None:
    from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

    config = yaml.safe_load(FILES[0].read_text(encoding="utf-8"))
    config["command"] += ["--scene=${envvar:HOME}/x", "--a=b"]
    theirs = create_sweep_command_args({"args": {name: {"value": value} for name, value in values.items()}})
    meanings = {"${env}": ["/usr/bin/env"], "${interpreter}": [sys.executable], "${args}": theirs["args"]}
    meanings["${program}"] = [config["program"]]
    expected = [
        word for part in create_sweep_command(list(config["command"])) for word in meanings.get(part, [part])
    ]
    assert command_line(config, values) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"command": ["${env}", "${interpreter}", "${program}"]}, r"expected \$\{args\} in `command`"),
        ({"command": ["${program}", "${args}", "${args_json}"]}, r"found \$\{args_json\}"),
        ({"parameters": [1]}, "expected `method`, `program`, `metric` and `parameters`"),
        ({"metric": None}, "expected `method`, `program`, `metric` and `parameters`"),
    ],
)
def test_a_sweep_that_cannot_be_run_is_refused(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        written(tmp_path, **content)


def test_a_grid_is_run_to_its_end(tmp_path: Path, engine: Engine) -> None:
    config = written(tmp_path, parameters={"x": {"values": [1, 2, 4.5]}, "seed": {"values": [0, 1]}})
    state = swept(tmp_path, config, engine, jobs=3)
    tried = sorted((run.values["x"], run.values["seed"]) for run in state.runs)
    assert tried == [(1, 0), (1, 1), (2, 0), (2, 1), (4.5, 0), (4.5, 1)]
    assert {run.state for run in state.runs} == {"finished"}
    table = markdown_report(state)
    assert "Best: run_" in table
    assert "with --seed=1 --x=2" in table
    [means] = [line for line in table.split("Over the seeds:")[1].splitlines() if line.startswith("| 2 ")]
    assert [cell.strip() for cell in means.strip("|").split("|")] == ["2", "4.005", "0.0071", "2"]


def test_bayes_comes_nearer_to_the_best(tmp_path: Path, engine: Engine) -> None:
    config = written(tmp_path, method="bayes", parameters={"x": {"min": -10.0, "max": 8.0}})
    state = swept(tmp_path, config, engine, count=6, jobs=2)
    distances = [abs(run.values["x"] - 3) for run in state.runs]
    assert len(distances) == 6
    assert min(distances[2:]) < min(distances[:2])


def test_a_bad_run_is_stopped_early_and_still_counts(tmp_path: Path, engine: Engine) -> None:
    config = written(
        tmp_path,
        early_terminate={"type": "hyperband", "min_iter": 2, "eta": 2},
        parameters={"x": {"values": [3.0, 2.9, 9.0]}},
    )
    state = swept(tmp_path, config, engine, jobs=3)
    states = {run.values["x"]: run.state for run in state.runs}
    assert states[9.0] == "stopped"
    assert states[3.0] == "finished"
    [stopped] = [run for run in state.runs if run.values["x"] == 9.0]
    assert len(state.history(stopped)) == 2  # there it waits
    [told] = [run for run in state.for_engine() if run["name"] == stopped.name]
    assert told["state"] == "finished"
    runs = comparable(state)
    assert runs is not None
    assert runs.step == 20  # where all have come
    assert len(runs.scores) == 3


def test_a_failing_run_is_recorded_and_the_others_go_on(tmp_path: Path, engine: Engine) -> None:
    config = written(tmp_path, parameters={"kind": {"values": ["broken", "a"]}, "x": {"values": [3, 4]}})
    state = swept(tmp_path, config, engine)
    assert [run.state for run in state.runs] == ["failed", "failed", "finished", "finished"]
    assert "it breaks (status 1, see " in str(state.runs[0].failure)
    table = markdown_report(state)
    assert "- run_001 failed: it breaks" in table
    assert "with --kind=a --x=3" in table


def wait_for(path: Path, lines: int) -> None:
    """Wait until a file has so many lines."""
    for _ in range(1200):
        if path.exists() and len(path.read_text(encoding="utf-8").splitlines()) >= lines:
            return
        time.sleep(0.1)
    raise AssertionError(f"{path} never came so far.")


def finish(folder: Path, config: dict[str, Any], engine: Engine) -> None:
    """Go on with a sweep of two values whose first run was interrupted at its second validation."""
    state = swept(folder, config, engine)
    found = [(run.name, run.state, run.values["x"]) for run in state.runs]
    assert found == [("run_001", "finished", 2.0), ("run_002", "finished", 4.5)]
    assert [step for step, _ in state.history(state.runs[0])] == [10, 20, 30, 40, 50]
    said = (state.folder_of(state.runs[0]) / "train.log").read_text(encoding="utf-8")
    assert said.splitlines() == ["begins 2.0"] * said.count("begins")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_sweep_goes_on(tmp_path: Path, engine: Engine, number: signal.Signals) -> None:
    config = written(tmp_path, parameters={"x": {"values": [2.0, 4.5]}, "pause": {"value": 0.5}})
    metrics = tmp_path / "out" / "runs" / "run_001" / "metrics.csv"

    def interrupt() -> None:
        wait_for(metrics, lines=3)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(RunStoppedError, match=f"Stopped by {number.name}. The same command goes on"):
        swept(tmp_path, config, engine)
    thread.join()
    assert len(metrics.read_text(encoding="utf-8").splitlines()) < 6
    stored = json.loads((tmp_path / "out" / "sweep.json").read_text(encoding="utf-8"))
    assert [run["state"] for run in stored["runs"]] == ["running"]
    finish(tmp_path, config, engine)


def test_a_killed_sweep_goes_on_when_its_run_has_ended(tmp_path: Path, engine: Engine) -> None:
    config = written(tmp_path, parameters={"x": {"values": [2.0, 4.5]}, "pause": {"value": 1.0}})
    metrics = tmp_path / "out" / "runs" / "run_001" / "metrics.csv"
    code = f"""
from pathlib import Path
from normnex_pl.studies.sweeps.config import read_sweep
from normnex_pl.studies.sweeps.engine import prepare
from normnex_pl.studies.sweeps.local import LocalSweep
from normnex_pl.studies.sweeps.state import SweepState
from normnex_pl.training.configurations import known
folder = Path({str(tmp_path)!r})
with prepare(Path({str(ENGINE)!r}), print) as engine:
    LocalSweep(SweepState.of(folder / "out", read_sweep(folder / "sweep.yaml", [])), engine, None).go()
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    wait_for(metrics, lines=2)
    process.kill()
    process.wait()
    with pytest.raises(UserError, match="under way, or runs that it has left behind"):
        swept(tmp_path, config, engine)
    wait_for(metrics, lines=6)
    time.sleep(1)
    finish(tmp_path, config, engine)


def test_another_sweep_in_the_folder_is_refused(tmp_path: Path, engine: Engine) -> None:
    swept(tmp_path, written(tmp_path, parameters={"x": {"values": [1]}}), engine)
    with pytest.raises(UserError, match=r"found another one \(parameters.x.values"):
        SweepState.of(tmp_path / "out", written(tmp_path, parameters={"x": {"values": [2]}}))


def test_importance_finds_what_matters(engine: Engine) -> None:
    rows = [{"much": x, "little": y, "name": n} for x in range(4) for y in range(3) for n in ("a", "b")]
    scores = [-10.0 * row["much"] + row["little"] for row in rows]
    found = engine.importance(rows, scores)
    assert found["much"].mean > 10 * found["little"].mean > 10 * abs(found["name"].mean)
    assert found["much"].correlation == pytest.approx(-1, abs=0.05)
    assert found["little"].correlation is not None
    assert found["little"].correlation > 0
    assert found["name"].correlation is None


def test_a_proposed_run_is_really_started(
    scene: Path, tmp_path: Path, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    more = [word for word in small(scene) if word.startswith("--") and "data.scene" not in word]
    options = ["regularizers", str(scene), "--preset=tiny", "--count=1", f"--out={tmp_path / 'out'}"]
    assert status_of("sweep", *options, "--", *more) == 0
    shown = capsys.readouterr().out
    folder = tmp_path / "out" / "runs" / "run_001"
    stored = json.loads((tmp_path / "out" / "sweep.json").read_text(encoding="utf-8"))
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    for name, value in stored["runs"][0]["values"].items():
        if name.startswith("model.weights."):
            assert config["model"]["weights"][name.rpartition(".")[2]] == pytest.approx(value)
    assert config["run"]["variant"] == "normnex_transmittance"
    assert config["data"]["num_validation_views"] == 3
    state = SweepState.of(tmp_path / "out", stored["config"])
    assert [step for step, _ in state.history(state.runs[0])] == list(range(6))  # ten of six steps
    assert f"val/psnr {state.history(state.runs[0])[-1][1]:.4g}" in shown
    assert not (folder / "metrics.json").exists()
    assert not [path for path in folder.rglob("*.png") if path.name.startswith(HELD_OUT)]
    assert "Importance: none" in shown


def test_the_plot_shows_all_that_was_searched(tmp_path: Path, engine: Engine) -> None:
    config = written(tmp_path, parameters={"x": {"values": [1, 2, 4]}, "kind": {"values": ["a", "b"]}})
    state = swept(tmp_path, config, engine, jobs=2)
    runs = comparable(state)
    assert runs is not None
    from normnex_pl.studies.sweeps.plot import write_plot

    found = engine.importance(runs.values, runs.scores)
    assert set(found) == {"x", "kind"}
    assert found["x"].mean > found["kind"].mean
    write_plot(tmp_path / "plot.png", "A title " * 30, config, found, runs)
    with Image.open(tmp_path / "plot.png") as picture:
        assert picture.width > 600
        assert len(picture.convert("RGB").getcolors(10**6) or []) > 5


def test_agents_share_the_runs_and_speak_wandbs_language(tmp_path: Path) -> None:
    from wandb.cli.cli import agent

    calls = agent_calls("me/normnex/abc", tmp_path, 7, ["0", "1"])
    shares = []
    for (python, flag, module, *words), environment in calls:
        assert [python, flag, module] == [sys.executable, "-m", "wandb"]
        assert words[0] == "agent"
        parameters = agent.make_context("agent", words[1:]).params
        assert parameters["sweep_id"] == "me/normnex/abc"
        shares.append((environment["CUDA_VISIBLE_DEVICES"], parameters["count"]))
        assert environment["PATH"].startswith(str(Path(sys.executable).parent))
    assert shares == [("0", 4), ("1", 3)]
    [(words, _)] = agent_calls("me/normnex/abc", tmp_path, None, [])
    assert "--count" not in words


def test_an_agents_run_has_a_folder_of_its_own_and_logs_to_wandb(
    scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_SWEEP_ID", "s1")
    monkeypatch.setenv("WANDB_RUN_ID", "r7")
    monkeypatch.setenv("NORMNEX_SWEEP_FOLDER", str(tmp_path))
    words = [str(scene), "--preset=paper", "--model.weights.gradient=0.2", "--validations=4"]
    found = parse(TrialOptions, "normnex trial", words).words()
    assert f"--run.folder={tmp_path / 'runs' / 'r7'}" in found
    assert str(EXPERIMENTS / "loggers" / "wandb.yaml") in found
    assert "--model.weights.gradient=0.2" in found
    assert "--trainer.check_val_every_n_epoch=1000" in found  # of 4000 epochs
    monkeypatch.delenv("WANDB_RUN_ID")
    assert "Start sweeps by `normnex sweep`" in failure(capsys, "trial", str(scene))


def test_with_an_account_the_sweep_is_created_once_and_agents_work_on_it(
    scene: Path, tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulate W&B's server, which receives the whole sweep, including scene and options."""
    created: list[tuple[dict[str, Any], str]] = []

    def create(config: dict[str, Any], project: str) -> str:
        created.append((config, project))
        return "abc"

    monkeypatch.setattr("normnex_pl.cli.sweep.choose_mode", lambda: "online")
    monkeypatch.setattr("wandb.sweep", create)
    monkeypatch.setattr("wandb.Api", lambda: type("Api", (), {"default_entity": "me"}))
    called = tmp_path / "called"
    agent = [sys.executable, "-c", f"open({str(called)!r}, 'a').write('x')"]
    asked: list[tuple[Any, ...]] = []

    def calls(*words: Any) -> list[tuple[list[str], dict[str, str]]]:
        asked.append(words)
        return [(agent, dict(os.environ))]

    monkeypatch.setattr("normnex_pl.studies.sweeps.online.agent_calls", calls)
    out = tmp_path / "out"
    options = [str(FILES[0]), str(scene), "--preset=tiny", "--count=5", f"--out={out}"]
    assert status_of("sweep", *options, "--", "--trainer.max_steps=9") == 0
    assert status_of("sweep", *options, "--", "--trainer.max_steps=9") == 0
    [(config, project)] = created
    assert project == "normnex"
    assert engine.check(config) == []
    place = config["command"].index("${args}")
    assert config["command"][place + 1 :] == [str(scene), "--preset=tiny", "--trainer.max_steps=9"]
    assert [words[:3] for words in asked] == 2 * [("me/normnex/abc", out, 5)]
    assert called.read_text() == "xx"
    assert status_of("sweep", *options, "--", "--trainer.max_steps=8") == 2  # another sweep
