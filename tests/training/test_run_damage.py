"""Damaged files of a run folder are read, left out, or refused in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from normnex_pl.core.errors import UserError
from normnex_pl.data.scene.fingerprint import differences, read_fingerprint
from normnex_pl.studies.comparison import csv_table, read_run
from normnex_pl.studies.standings import standing, standings_table
from normnex_pl.training.loggers.metrics_csv import MetricsCSV, read_history
from normnex_pl.training.run_folder import RunFolder
from normnex_pl.training.run_weights import read_checkpoint, read_scene_files

CONFIG = {
    "seed_everything": 0,
    "run": {"variant": "nex_rgb", "preset": "tiny"},
    "data": {"scene": "scenes/demo", "width": None},
    "model": {"eval_chunk_size": 16384},
    "trainer": {"max_steps": 6},
}
METRICS = {"steps": 6, "train_seconds": 2.5, "test": {"psnr": 21.5}, "views": [{"name": "a", "psnr": 21.5}]}
FILES = (
    "config.yaml",
    "metrics.json",
    "metrics.csv",
    "checkpoints/last.ckpt",
    "scene.json",
    "fingerprint.json",
)
WEIGHTS = torch.arange(40.0)


def write_run(folder: Path) -> RunFolder:
    """Write the files of a small finished run."""
    run = RunFolder(folder)
    run.checkpoint.parent.mkdir(parents=True)
    run.config.write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    run.metrics.write_text(json.dumps(METRICS), encoding="utf-8")
    run.metrics_csv.write_text("step,loss,val/psnr\n2,0.5,\n4,0.25,20.5\n", encoding="utf-8")
    run.scene.write_text(json.dumps({"images/a.png": "0f"}), encoding="utf-8")
    run.fingerprint.write_text(json.dumps({"config": "a", "data": "b"}), encoding="utf-8")
    content = {
        "hyper_parameters": {"geometry": {"near": 1.0}},
        "state_dict": {"a": WEIGHTS},
        "global_step": 6,
    }
    torch.save(content, run.checkpoint)
    return run


def read_everything(run: RunFolder) -> None:
    """Read a run as commands do; each of them may refuse it."""
    readers: tuple[Callable[[], object], ...] = (
        run.read_config,
        lambda: run.check(yaml.safe_dump(CONFIG)),
        run.read_metrics,
        lambda: csv_table([read_run("row", 0, run.path)]),
        lambda: read_history(run.metrics_csv, "val/psnr"),
        lambda: _unchanged(read_checkpoint(run.existing_checkpoint())),
        lambda: read_scene_files(run.scene),
    )
    for read in readers:
        with suppress(UserError):
            read()
    found = standing(run.path)
    assert standings_table([found], run.path.parent)
    differences(read_fingerprint(run.fingerprint), {"config": "a"})
    log = MetricsCSV(run.metrics_csv)
    log.log_metrics({"loss": 0.5}, 9)
    log.save()
    assert read_history(run.metrics_csv, "loss")[-1] == (9, 0.5)


def _unchanged(content: dict[str, object]) -> None:
    """Check that no weight has changed without a word."""
    state = content["state_dict"]
    assert isinstance(state, dict)
    assert torch.equal(state["a"], WEIGHTS)


@st.composite
def mutations(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Draw a change of a file: bytes that are replaced, put in, cut off, or all others."""
    place, length = draw(st.floats(0, 1)), draw(st.integers(0, 9))
    new = draw(
        st.one_of(st.binary(max_size=12), st.sampled_from([b"\0" * 9, b";", b"{}", b"[", b"\n- 1", b"null"]))
    )
    kind = draw(st.sampled_from(["replace", "insert", "cut", "only"]))

    def change(content: bytes) -> bytes:
        start = round(place * len(content))
        changed = {
            "replace": content[:start] + new + content[start + len(new) :],
            "insert": content[:start] + new + content[start + length :],
            "cut": content[:start],
            "only": new,
        }
        return changed[kind]

    return change


@given(name=st.sampled_from(FILES), change=mutations())
@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_damaged_files_are_named_and_no_weight_changes_without_a_word(
    tmp_path_factory: pytest.TempPathFactory, name: str, change: Callable[[bytes], bytes]
) -> None:
    run = write_run(tmp_path_factory.mktemp("damage") / "run")
    path = run.path / name
    path.write_bytes(change(path.read_bytes()))
    read_everything(run)
    shutil.rmtree(run.path)


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=3,
)


@given(name=st.sampled_from(["config.yaml", "metrics.json"]), data=st.data())
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_values_of_other_types_are_left_out_or_named(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    run = write_run(tmp_path_factory.mktemp("types") / "run")
    content = CONFIG if name == "config.yaml" else METRICS
    key = data.draw(st.sampled_from(sorted(content)))
    changed = {**content, key: data.draw(VALUES)}
    text = yaml.safe_dump(changed) if name == "config.yaml" else json.dumps(changed)
    (run.path / name).write_text(text, encoding="utf-8")
    read_everything(run)
    shutil.rmtree(run.path)


def test_a_whole_run_is_read_whole(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    assert run.read_metrics() == METRICS
    assert read_history(run.metrics_csv, "val/psnr") == [(4, 20.5)]
    assert read_checkpoint(run.existing_checkpoint())["global_step"] == 6
    found = standing(run.path)
    assert (found.state, found.steps, found.limit) == ("finished", 6, 6)


@pytest.mark.parametrize(
    "content", ["step;loss\n1;0,5\n", "step,loss\n1,0.5\n\0\0\0", "\0\0", "loss\n1\n", "a"]
)
def test_a_damaged_history_is_left_out_with_a_warning_and_kept(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text(content, encoding="utf-8")
    log = MetricsCSV(path)
    log.log_metrics({"loss": 0.5}, 3)
    log.save()
    assert read_history(path, "loss") == [(3, 0.5)]
    assert (tmp_path / "metrics.damaged.csv").read_text(encoding="utf-8") == content
    [warning] = [record.message for record in caplog.records]
    assert warning.startswith(f"{path}: expected a column called step")


def test_one_wrong_bit_of_a_weight_is_found(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    content = bytearray(run.checkpoint.read_bytes())
    place = content.index(WEIGHTS.numpy().tobytes()[:64]) + 17
    content[place] ^= 1
    run.checkpoint.write_bytes(content)
    with pytest.raises(UserError, match=r"last\.ckpt: expected a checkpoint, found a damaged file"):
        run.existing_checkpoint()
