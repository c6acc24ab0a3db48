"""``normnex sweep`` without an account: Optuna, and programs that it really starts."""

from __future__ import annotations

import csv
import math
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cli.helpers import EXPERIMENTS, HELD_OUT, failure, small, status_of
from normnex_pl.cli.options import parse
from normnex_pl.cli.trial import Options as TrialOptions
from normnex_pl.studies.sweeps.config import command_line, read_search, read_sweep
from normnex_pl.studies.sweeps.online import agent_calls
from normnex_pl.studies.sweeps.samplers import sampler
from normnex_pl.training.configurations import known

FILES = sorted((EXPERIMENTS / "sweeps").glob("*.yaml"))

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
options = parser.parse_known_args()[0]
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


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_MODE", "offline")


def written(folder: Path, **content: Any) -> Path:
    """Write a sweep of the program above, by default over x on a grid, and return its file."""
    (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
    (folder / "scene").mkdir(exist_ok=True)
    base = {
        "name": "small",
        "method": "grid",
        "metric": {"name": "val/psnr", "goal": "maximize"},
        "program": str(folder / "program.py"),
        "parameters": {"x": {"values": [1.0, 2.0, 4.5]}},
    }
    (folder / "sweep.yaml").write_text(yaml.safe_dump(base | content), encoding="utf-8")
    return folder / "sweep.yaml"


def words_of(folder: Path, *options: str) -> list[str]:
    """Return the command that runs the sweep."""
    where = [str(folder / "sweep.yaml"), str(folder / "scene"), f"--out={folder / 'out'}"]
    return ["sweep", *where, *options]


def swept(folder: Path, *options: str, status: int = 0) -> list[dict[str, str]]:
    """Run the sweep, and return the rows of its table."""
    assert status_of(*words_of(folder, *options)) == status
    return table(folder)


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "out" / "table.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_our_sweeps_mean_something_to_both_engines(path: Path) -> None:
    config = read_sweep(path, ["my scene", "--preset=fast"])
    search = read_search(path, config, None)
    assert (search.metric, search.maximize) == ("val/psnr", True)  # never the test views
    assert config["name"] == path.stem
    program = config["command"].index("${program}")
    assert config["command"][program + 1 :] == ["trial", "${args}", "my scene", "--preset=fast"]


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
        ({"command": ["${env}", "${interpreter}", "${program}"]}, "expected ${args} in `command`"),
        ({"command": ["${program}", "${args}", "${args_json}"]}, "found ${args_json}"),
        ({"parameters": [1]}, "expected `method`, `program`, `metric` and `parameters`"),
        ({"metric": None}, "expected `method`, `program`, `metric` and `parameters`"),
        ({"metric": {"goal": "maximize"}}, "metric: expected a name"),
        ({"metric": {"name": "a", "target": 3}}, "metric: expected name, goal, found target"),
        ({"method": "genetic"}, "method: expected grid, random, bayes, found genetic"),
        ({"method": "random"}, "expected a number of runs, found None. Say --count=n."),
        ({"scheduler": {"engine": "ax"}}, "found scheduler, which has no meaning without a W&B account"),
        ({"early_terminate": {"type": "envelope"}}, "expected type: hyperband, found envelope"),
        ({"early_terminate": {"type": "hyperband", "eta": 2}}, "which give a first rung of at least 1"),
        ({"early_terminate": {"type": "hyperband", "min_iter": 1, "strict": True}}, "found strict"),
        ({"parameters": {"x": {"min": 2, "max": 1}}}, "sweep.yaml: parameters.x: expected a min below"),
    ],
)
def test_a_sweep_that_cannot_be_run_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: Any, message: str
) -> None:
    written(tmp_path, **content)
    assert message in failure(capsys, *words_of(tmp_path))


def test_a_file_that_is_no_yaml_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path).write_text("a: [", encoding="utf-8")
    assert "expected the YAML file of a sweep, found none" in failure(capsys, *words_of(tmp_path))


def test_bands_of_hyperband_are_rungs_of_successive_halving(tmp_path: Path) -> None:
    for entry, rung, factor in (
        ({"min_iter": 2, "eta": 2}, 2, 2),
        ({"min_iter": 3}, 3, 3),
        ({"max_iter": 27, "s": 2}, 3, 3),
        ({"max_iter": 27, "s": 3, "eta": 2}, 3, 2),
    ):
        path = written(tmp_path, early_terminate={"type": "hyperband", **entry})
        halving = read_search(path, read_sweep(path, []), None).halving
        assert halving is not None
        assert (halving.first, halving.factor) == (rung, factor)


def test_a_grid_is_run_to_its_end_and_not_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path, parameters={"x": {"values": [1, 2, 4.5]}, "seed": {"values": [0, 1]}})
    rows = swept(tmp_path, "--jobs=3")
    tried = sorted((float(row["x"]), int(row["seed"])) for row in rows)
    assert tried == [(1, 0), (1, 1), (2, 0), (2, 1), (4.5, 0), (4.5, 1)]
    assert {row["state"] for row in rows} == {"finished"}
    assert {Path(row["folder"]).name for row in rows} == {
        path.name for path in (tmp_path / "out" / "runs").iterdir()
    }
    text = (tmp_path / "out" / "table.md").read_text(encoding="utf-8")
    assert "with --seed=1 --x=2" in text
    [means] = [line for line in text.split("Over the seeds:")[1].splitlines() if "4.005" in line]
    assert [cell.strip() for cell in means.strip("|").split("|")] == ["2", "4.005", "0.0071", "2"]
    for name in ("importance", "history", "slices"):
        with Image.open(tmp_path / "out" / f"{name}.png") as picture:
            assert picture.width > 600
            assert len(picture.convert("RGB").getcolors(10**6) or []) > 5
    capsys.readouterr()
    assert swept(tmp_path) == rows
    assert "trains" not in capsys.readouterr().out


def test_more_runs_are_added_when_the_count_grows(tmp_path: Path) -> None:
    written(tmp_path, method="random", parameters={"x": {"min": -5.0, "max": 5.0}})
    first = swept(tmp_path, "--count=2")
    second = swept(tmp_path, "--count=3")
    assert len(first) == 2
    assert len(second) == 3
    assert {row["run"] for row in first} < {row["run"] for row in second}


def test_proposals_do_not_depend_on_who_draws_them(tmp_path: Path) -> None:
    found = []
    for jobs in (1, 3):
        folder = tmp_path / str(jobs)
        folder.mkdir()
        written(folder, method="random", parameters={"x": {"min": -5.0, "max": 5.0}})
        found.append({row["x"] for row in swept(folder, "--count=4", f"--jobs={jobs}")})
    assert found[0] == found[1]
    assert len(found[0]) == 4


def test_nothing_is_run_twice_where_few_things_can_be_proposed(tmp_path: Path) -> None:
    written(tmp_path, method="random", parameters={"x": {"values": [1, 2]}})
    rows = swept(tmp_path, "--count=5", "--jobs=2")
    assert sorted(row["x"] for row in rows) == ["1", "2"]
    for row in rows:
        said = (Path(row["folder"]) / "train.log").read_text(encoding="utf-8")
        assert said.count("begins") == 1


def bowl(trial: optuna.trial.Trial) -> float:
    """Return the square of the distance from the best of five weights, in powers of ten."""
    weights = [trial.suggest_float(str(number), 1e-4, 1, log=True) for number in range(5)]
    return sum((math.log10(weight) + 2.5 + 0.3 * number) ** 2 for number, weight in enumerate(weights))


def hartmann(trial: optuna.trial.Trial) -> float:
    """Evaluate Hartmann's function of three parameters (Dixon and Szego, 1978)."""
    place = [trial.suggest_float(str(number), 0, 1) for number in range(3)]
    return -sum(
        height * math.exp(-sum(a * (x - p) ** 2 for a, x, p in zip(widths, place, peak, strict=True)))
        for height, widths, peak in zip(
            (1.0, 1.2, 3.0, 3.2),
            ((3, 10, 30), (0.1, 10, 35), (3, 10, 30), (0.1, 10, 35)),
            (
                (0.3689, 0.117, 0.2673),
                (0.4699, 0.4387, 0.747),
                (0.1091, 0.8732, 0.5547),
                (0.0381, 0.5743, 0.8828),
            ),
            strict=True,
        )
    )


@pytest.mark.parametrize("function", [bowl, hartmann])
def test_bayes_finds_in_30_trials_what_random_search_finds_in_60(
    function: Callable[[optuna.trial.Trial], float],
) -> None:
    """Compare medians over 20 seeds."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def best(method: str, count: int, seed: int) -> float:
        study = optuna.create_study()
        for place in range(count):
            study.sampler = sampler(method, seed, f"{place:05d}/0")
            trial = study.ask()
            study.tell(trial, function(trial))
        return study.best_value

    bayes = statistics.median(best("bayes", 30, seed) for seed in range(20))
    random = statistics.median(best("random", 60, seed) for seed in range(20))
    assert bayes <= random


def test_a_bad_run_is_stopped_early_and_still_counts(tmp_path: Path) -> None:
    written(
        tmp_path,
        early_terminate={"type": "hyperband", "min_iter": 2, "eta": 2},
        parameters={"x": {"values": [3.0, 2.9, 9.0]}},
    )
    rows = {float(row["x"]): row for row in swept(tmp_path, "--jobs=3")}
    assert rows[9.0]["state"] == "stopped"
    assert rows[3.0]["state"] == "finished"
    assert rows[9.0]["last_step"] == "20"  # there it waits
    assert (tmp_path / "out" / "importance.png").exists()


def test_a_failing_run_is_named_and_tried_again_with_the_next_call(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, parameters={"kind": {"values": ["broken", "a"]}, "x": {"values": [3, 4]}})
    rows = swept(tmp_path, status=1)
    states = {(row["kind"], row["x"]): row["state"] for row in rows}
    assert states == {
        ("a", "3"): "finished",
        ("a", "4"): "finished",
        ("broken", "3"): "failed",
        ("broken", "4"): "failed",
    }
    assert all("it breaks (status 1, see " in row["failure"] for row in rows if row["kind"] == "broken")
    text = (tmp_path / "out" / "table.md").read_text(encoding="utf-8")
    assert " failed: it breaks" in text
    assert "with --kind=a --x=3" in text
    capsys.readouterr()
    assert status_of(*words_of(tmp_path, "--worker")) == 1  # one of many: leaves them
    assert "goes on" not in capsys.readouterr().out
    program = tmp_path / "program.py"
    program.write_text(program.read_text().replace('"broken"', '"never"'), encoding="utf-8")
    assert {row["state"] for row in swept(tmp_path)} == {"finished"}
    assert capsys.readouterr().out.count("goes on with kind broken") == 2


def test_a_metric_that_no_run_logs_is_told_and_nothing_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, metric={"name": "val/pnsr", "goal": "maximize"})
    message = failure(capsys, *words_of(tmp_path))
    assert message.startswith("metric: expected the name of what runs log (val/psnr), found val/pnsr")
    written(tmp_path)
    rows = swept(tmp_path)
    assert len(rows) == 3
    logs = [(Path(row["folder"]) / "train.log").read_text(encoding="utf-8") for row in rows]
    assert sorted(text.count("begins") for text in logs) == [1, 1, 2]
    assert all(row["step"] == "50" for row in rows)


def wait_for(path: Path, lines: int) -> None:
    """Wait until a file has so many lines."""
    for _ in range(1200):
        if path.exists() and len(path.read_text(encoding="utf-8").splitlines()) >= lines:
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} never came so far.")


def first_metrics(folder: Path) -> Path:
    """Wait for the first run, and return where its scores are."""
    for _ in range(1200):
        if found := list((folder / "out" / "runs").glob("*/train.log")):
            return found[0].with_name("metrics.csv")
        time.sleep(0.05)
    raise AssertionError("No run begins.")


def finish(folder: Path, *options: str) -> None:
    """Go on with a sweep of two values whose first run was interrupted."""
    rows = swept(folder, *options)
    assert sorted((row["state"], row["x"]) for row in rows) == [("finished", "2.0"), ("finished", "4.5")]
    for row in rows:
        steps = (Path(row["folder"]) / "metrics.csv").read_text(encoding="utf-8").splitlines()[1:]
        assert [int(line.split(",")[0]) for line in steps] == [10, 20, 30, 40, 50]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_an_interrupted_sweep_gives_its_run_back_and_goes_on(
    tmp_path: Path, number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, parameters={"x": {"values": [2.0, 4.5]}, "pause": {"value": 0.3}})

    def interrupt() -> None:
        wait_for(first_metrics(tmp_path), lines=3)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=interrupt)
    thread.start()
    assert status_of(*words_of(tmp_path)) == 75
    thread.join()
    said = capsys.readouterr()
    assert f"Stopped by {number.name}. The same command goes on from here." in said.err
    assert "given back" in said.out
    assert len(first_metrics(tmp_path).read_text(encoding="utf-8").splitlines()) < 6
    finish(tmp_path)
    assert "goes on with x" in capsys.readouterr().out


def test_the_run_of_a_killed_sweep_is_taken_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path, parameters={"x": {"values": [2.0, 4.5]}, "pause": {"value": 0.5}})
    command = [sys.executable, "-m", "normnex_pl", *words_of(tmp_path, "--lease=4")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_for(first_metrics(tmp_path), lines=2)
    finally:
        process.kill()
        process.wait()
    finish(tmp_path, "--lease=4")
    said = capsys.readouterr().out
    assert "its worker gives no sign of life, taken over" in said
    assert "goes on with x" in said


def test_another_sweep_in_the_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path, parameters={"x": {"values": [1]}})
    before = swept(tmp_path)
    written(tmp_path, parameters={"x": {"values": [2]}})
    assert "(parameters.x.values: [1] there, [2] now)" in failure(capsys, *words_of(tmp_path))
    (tmp_path / "other").mkdir()
    written(tmp_path, parameters={"x": {"values": [1]}})
    words = words_of(tmp_path)
    words[2] = str(tmp_path / "other")
    message = failure(capsys, *words)
    assert "found another one of this name (command: " in message
    assert "other" in message
    assert table(tmp_path) == before


def test_a_proposed_run_is_really_started(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = [word for word in small(scene) if word.startswith("--") and "data.scene" not in word]
    options = ["regularizers", str(scene), "--preset=tiny", "--count=1", f"--out={tmp_path / 'out'}"]
    assert status_of("sweep", *options, "--", *more) == 0
    shown = capsys.readouterr().out
    (row,) = table(tmp_path)
    folder = Path(row["folder"])
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    weights = {name: value for name, value in row.items() if name.startswith("model.weights.")}
    assert len(weights) == 5
    for name, value in weights.items():
        assert config["model"]["weights"][name.rpartition(".")[2]] == pytest.approx(float(value))
    assert config["run"]["variant"] == "normnex_transmittance"
    assert config["data"]["num_validation_views"] == 3
    assert row["last_step"] == "5"  # ten validations of six steps
    assert f"{row['run']}: finished, val/psnr " in shown
    assert not (folder / "metrics.json").exists()
    assert not [path for path in folder.rglob("*.png") if path.name.startswith(HELD_OUT)]
    assert "Importance: none" in shown


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
    scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    place = config["command"].index("${args}")
    assert config["command"][place + 1 :] == [str(scene), "--preset=tiny", "--trainer.max_steps=9"]
    assert [words[:3] for words in asked] == 2 * [("me/normnex/abc", out, 5)]
    assert called.read_text() == "xx"
    assert status_of("sweep", *options, "--", "--trainer.max_steps=8") == 2  # another sweep
