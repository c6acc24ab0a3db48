"""Logs beside metrics.csv: what W&B and TensorBoard are given, and that nobody is asked or waited for."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wandb
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cli.helpers import EXPERIMENTS, HELD_OUT, failure, fit, metrics, scalars, small
from cli.wandb_files import StoredRun, offline_runs
from normnex_pl.training.loggers import RunIdentity, TensorBoard
from normnex_pl.training.loggers.weights_and_biases import choose_mode

WANDB = ("-c", str(EXPERIMENTS / "loggers" / "wandb.yaml"))
TENSORBOARD = ("-c", str(EXPERIMENTS / "loggers" / "tensorboard.yaml"))
KEY = "0123456789abcdef" * 2 + "01234567"


@pytest.fixture(autouse=True, scope="module")
def _no_account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Simulate a machine where W&B was never used; its files outside of runs go to a separate folder."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("WANDB_")]:
            patch.delenv(name)
        patch.setenv("NETRC", str(home / "netrc"))
        for name in ("CONFIG", "CACHE", "DATA", "ARTIFACT"):
            patch.setenv(f"WANDB_{name}_DIR", str(home / name))
        yield
    wandb.teardown()


@pytest.fixture(autouse=True)
def _fresh_settings() -> None:
    """Reset W&B, which reads the environment once per process."""
    wandb.teardown()


@pytest.fixture(scope="module")
def folder(_no_account: None, scene: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a run with both logs, where any request to the network is an error."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("It asks the network.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("normnex_pl.training.loggers.weights_and_biases.answers", refuse)
        more = ("--data.num_validation_views=2", "--trainer.check_val_every_n_epoch=1")
        run = tmp_path_factory.mktemp("logged") / "run"
        return fit(scene, run, *WANDB, *TENSORBOARD, "--trainer.max_steps=7", *more)


@pytest.fixture(scope="module")
def stored(folder: Path) -> StoredRun:
    """Return what W&B would be sent of the run."""
    [run] = offline_runs(folder)
    return run


def test_names_follow_from_scene_variant_preset_and_seed(stored: StoredRun) -> None:
    assert stored.name == "desk-nex_rgb-tiny-0"
    assert stored.group == "desk-nex_rgb-tiny"
    assert set(stored.tags) == {"desk", "nex_rgb", "tiny", "seed 0"}
    assert stored.project == "normnex"
    assert stored.id.startswith(stored.name)
    assert stored.exit_code == 0


def test_the_resolved_configuration_is_there(folder: Path, stored: StoredRun) -> None:
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    for key in ("seed_everything", "model", "data", "trainer", "run", "initialization"):
        assert stored.config[key] == config[key], key
    assert stored.config["geometry"]["near"] > 0


def test_scalars_are_those_of_the_table_in_the_run_folder(folder: Path, stored: StoredRun) -> None:
    rows = [row for row in stored.history if "loss/total" in row or "val/psnr" in row]
    found = {}
    for row in rows:
        found.setdefault(row["trainer/global_step"], {}).update(row)
    for expected in scalars(folder):
        row = found[int(expected["step"])]
        for name, value in expected.items():
            if "/" in name and value:
                assert row[name] == pytest.approx(float(value), rel=1e-6), name
    assert any("val/psnr" in row for row in rows)


def test_scores_of_the_held_out_views_are_there_as_scalars_and_as_a_table(
    folder: Path, stored: StoredRun
) -> None:
    summary = metrics(folder)
    for name in ("psnr", "ssim"):
        assert stored.summary[f"test/{name}"] == pytest.approx(summary["test"][name])
    assert stored.summary["cost/num_parameters"] == summary["num_parameters"]
    table = json.loads(stored.media(stored.summary["test/views"]).read_text(encoding="utf-8"))
    assert [row[0] for row in table["data"]] == [*HELD_OUT, "mean"]
    place = table["columns"].index("psnr")
    expected = [*(view["psnr"] for view in summary["views"]), summary["test"]["psnr"]]
    assert [row[place] for row in table["data"]] == pytest.approx(expected)
    assert "lpips_vgg" not in table["columns"]  # there is none here


def test_pictures_are_those_of_the_run_folder(folder: Path, stored: StoredRun) -> None:
    written = {f"components/{path.stem}": path for path in (folder / "components").rglob("*.png")}
    written["test/contact_sheet"] = folder / "test" / "contact_sheet.png"
    assert f"components/{HELD_OUT[0]}_disparity" in written
    for name, path in written.items():
        [shown] = [row[name] for row in stored.history if name in row]
        with Image.open(path) as expected:
            assert (shown["width"], shown["height"]) == expected.size, name
            with Image.open(stored.folder / "files" / shown["filenames"][0]) as found:
                assert found.tobytes() == expected.tobytes(), name


def test_system_metrics_are_there(stored: StoredRun) -> None:
    assert {"memory_percent", "proc.memory.rssMB"} <= stored.system


def test_a_run_that_goes_on_is_the_same_one(folder: Path, scene: Path, tmp_path: Path) -> None:
    """Resume as after a requeue, in the run's own folder, also if it is reached by another path."""
    longer = ("--data.num_validation_views=2", "--trainer.max_steps=9")
    link = tmp_path / "link"
    link.symlink_to(folder.parent)
    before = (folder / "metrics.csv").read_bytes()
    fit(scene, link / "run", *WANDB, *longer)
    assert (folder / "metrics.csv").read_bytes() != before
    first, second = offline_runs(folder)
    assert first.id == second.id
    assert max(row.get("trainer/global_step", 0) for row in second.history) >= 8


NAMES = st.text("abc/ _é#?%:-", min_size=1, max_size=60)


@given(NAMES, NAMES, NAMES, st.integers(0, 99))
def test_any_name_gives_an_id_that_wandb_takes(scene: str, variant: str, preset: str, seed: int) -> None:
    identity = RunIdentity(scene, variant, preset, seed, Path("runs/x"), {"model": 1})
    assert re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", identity.id)
    assert identity.id == RunIdentity(scene, variant, preset, seed, Path("runs/../runs/x"), {"model": 1}).id


def test_other_runs_have_other_ids() -> None:
    here = RunIdentity("demo", "nex_rgb", "tiny", 0, Path("runs/x"), {"model": 1})
    others = (
        RunIdentity("demo", "nex_rgb", "tiny", 1, Path("runs/x"), {"model": 1}),
        RunIdentity("demo", "nex_rgb", "tiny", 0, Path("runs/y"), {"model": 1}),
        RunIdentity("demo", "nex_rgb", "tiny", 0, Path("runs/x"), {"model": 2}),
    )
    assert len({here.id, *(other.id for other in others)}) == 4


class Web(http.server.BaseHTTPRequestHandler):
    """A server that knows nothing."""

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[str]:
    """Simulate an account at a server that answers, is silent, or doesn't exist."""
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    if request.param == "answering":
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.server_port}")
        yield request.param
        server.shutdown()
        server.server_close()
        return
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))  # refuses, until it listens
        if request.param == "silent":
            other.listen()
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{other.getsockname()[1]}")
        yield request.param


@pytest.mark.parametrize("account", ["answering", "silent", "missing"], indirect=True)
def test_an_account_is_used_where_its_server_answers(account: str, caplog: pytest.LogCaptureFixture) -> None:
    assert choose_mode(patience=0.5) == ("online" if account == "answering" else "offline")
    assert ("doesn't answer" in caplog.text) == (account != "answering")


@pytest.mark.parametrize("account", ["answering"], indirect=True)
@pytest.mark.parametrize("mode", ["offline", "disabled"])
def test_the_users_own_mode_takes_precedence(
    account: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", mode)
    assert choose_mode() == mode


@pytest.mark.parametrize("account", ["answering"], indirect=True)
def test_an_account_may_be_known_from_logging_in(account: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    assert choose_mode() == "offline"
    lines = f"machine other password x\nmachine 127.0.0.1 login user password {KEY}\n"
    Path(os.environ["NETRC"]).write_text(lines, encoding="utf-8")
    Path(os.environ["NETRC"]).chmod(0o600)
    wandb.teardown()
    assert choose_mode() == "online"
    Path(os.environ["NETRC"]).unlink()


def test_a_run_may_be_disabled_by_the_environment(
    scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    run = fit(scene, tmp_path / "run", *WANDB, "--trainer.max_steps=1")
    assert offline_runs(run) == []
    assert metrics(run)["steps"] == 1


def test_a_sweeps_agent_names_its_runs_itself(
    scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_SWEEP_ID", "s1")
    monkeypatch.setenv("WANDB_RUN_ID", "proposed")
    [run] = offline_runs(fit(scene, tmp_path / "run", *WANDB, "--trainer.max_steps=1"))
    assert run.id == "proposed"


def test_checkpoints_are_artefacts_if_asked(scene: Path, tmp_path: Path, stored: StoredRun) -> None:
    more = ("--loggers.checkpoints=true", "--checkpoint_every=2")
    [run] = offline_runs(fit(scene, tmp_path / "run", *WANDB, *more))
    assert [kind for kind, _ in run.artifacts].count("model") == 1
    assert "model" not in [kind for kind, _ in stored.artifacts]


def test_a_failed_run_is_a_failed_one_at_wandb_too(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    endless = ("--model.optimizer.learning_rates.alpha=1e38", "--model.optimizer.eps=0")
    message = failure(capsys, "fit", *small(scene, f"--run.folder={folder}", *WANDB, *endless))
    assert "not a finite number" in message
    [run] = offline_runs(folder)
    assert run.exit_code == 1
    assert wandb.run is None


def test_tensorboard_takes_one_line(folder: Path) -> None:
    assert yaml.safe_load((EXPERIMENTS / "loggers" / "tensorboard.yaml").read_text(encoding="utf-8")) == {
        "loggers+": "normnex_pl.training.loggers.TensorBoard"
    }
    tags = board_tags(folder / "tensorboard")
    assert {"loss/total", "train/psnr", "val/psnr", "test/psnr", "test/contact_sheet"} <= tags
    assert f"components/{HELD_OUT[0]}_disparity" in tags


def test_tensorboard_keeps_what_it_logged_in_the_same_second(tmp_path: Path) -> None:
    run = RunIdentity("scene", "variant", "preset", 0, tmp_path, {})
    processes = ({"a/fit", "a/test"}, {"b/fit", "b/test"})
    for stages in processes:
        logger = TensorBoard().open(run, {})
        for tag in stages:
            logger.log_metrics({tag: 1.0}, step=0)
            logger.finalize("success")
    assert set.union(*processes) <= board_tags(tmp_path / "tensorboard")


def board_tags(folder: Path) -> set[str]:
    """Return the names of all that event files hold: TFRecords of TensorBoard's messages."""
    from tensorboardX.proto.event_pb2 import Event

    tags = set()
    for path in folder.glob("events.*"):
        content, place = path.read_bytes(), 0
        while place < len(content):
            (length,) = struct.unpack_from("<Q", content, place)
            event = Event.FromString(content[place + 12 : place + 12 + length])
            tags |= {value.tag for value in event.summary.value}
            place += 16 + length
    return tags


def test_without_loggers_nothing_of_theirs_is_loaded() -> None:
    code = (
        "import sys, normnex_pl.cli.main; print({'wandb', 'tensorboardX', 'tensorboard'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_training_that_ends_on_validation_views_never_sees_the_held_out_ones(
    scene: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(scene, tmp_path / "other" / scene.name)
    for name in HELD_OUT:
        path = other / "images" / f"{name}.png"
        with Image.open(path) as image:
            Image.new("RGB", image.size, "white").save(path)
    more = ("--data.num_validation_views=2", "--after_fit=validate", "--trainer.max_steps=8")
    more = (*more, "--trainer.check_val_every_n_epoch=null", "--trainer.val_check_interval=3")
    runs = [fit(place, tmp_path / place.parent.name, *more) for place in (scene, other)]
    first, second = ((run / "validation.json").read_bytes() for run in runs)
    assert first == second
    logged = [scalars(run) for run in runs]
    seconds = [float(row.pop("val/train_seconds") or 0) for rows in logged for row in rows]
    assert logged[0] == logged[1]
    assert max(seconds) > 0
    assert not (runs[0] / "metrics.json").exists()
    assert not (runs[0] / "test").exists()
    shown = {path.name for path in (runs[0] / "components").rglob("*.png")}
    assert not [name for name in shown if name.startswith(HELD_OUT)]

    summary = json.loads((runs[0] / "validation.json").read_text(encoding="utf-8"))
    history = {int(row["step"]): float(row["val/psnr"]) for row in scalars(runs[0]) if row["val/psnr"]}
    assert list(history) == [2, 5, 8]  # after three steps, after six, and in the end
    assert summary["steps"] == 8
    assert summary["psnr"] == pytest.approx(history[8], rel=1e-6)
    assert summary["psnr"] == pytest.approx(sum(view["psnr"] for view in summary["views"]) / 2)
    names = [view["name"] for view in summary["views"]]
    assert len(names) == len(set(names)) == 2
    assert not set(names) & set(HELD_OUT)


def test_ending_on_no_validation_views_is_refused(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = failure(
        capsys, "fit", *small(scene, f"--run.folder={tmp_path / 'run'}", "--after_fit=validate")
    )
    assert "data.num_validation_views: expected at least 1" in message
