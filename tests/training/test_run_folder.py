"""Contents of a run folder, and the refusal of runs of another version."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

import normnex_pl
from normnex_pl.core.errors import UserError
from normnex_pl.training.run_folder import RunFolder, RunSettings
from normnex_pl.training.run_identity import check_config_files, check_version, first_difference
from normnex_pl.training.run_weights import model_digest
from support.small import make_mpi

# A configuration as this version would store it, in part.
CONFIG: dict[str, Any] = {
    "seed_everything": 0,
    "run": {"variant": "nex_rgb", "preset": "tiny"},
    "data": {"scene": "scenes/demo", "width": None, "planes": {"near": None, "padding": 20}},
    "model": {
        "field": {"class_path": "normnex_pl.model.fields.GridField", "init_args": {"divisors": [2, 1]}},
        "eval_chunk_size": 16384,
        "color": {"class_path": "my_parts.Color"},
    },
    "trainer": {"callbacks": [{"class_path": "normnex_pl.training.callbacks.DiffusePhase"}]},
}


def changed(name: str, value: Any) -> dict[str, Any]:
    """Return the configuration with another value at a dotted name."""
    copy: dict[str, Any] = yaml.safe_load(yaml.safe_dump(CONFIG))
    part = copy
    *parents, last = name.split(".")
    for parent in parents:
        part = part[parent]
    part[last] = value
    return copy


OLDER = {
    "data.planes.offset": (20, "data.planes.offset is now data.planes.padding"),
    "model.chunk": (4096, "model.chunk is now model.eval_chunk_size"),
    "model.rays_at_once": (None, "model.rays_at_once is now model.train_chunk_size"),
    "model.attached_targets": (False, "model.attached_targets is no longer there"),
    "model.field.class_path": (
        "normnex_pl.fields.GridField",
        "model.field.class_path: there is no normnex_pl.fields.GridField now",
    ),
    "model.basis": (
        {"class_path": "normnex_pl.model.appearance.Gone"},
        "model.basis.class_path: there is no normnex_pl.model.appearance.Gone now",
    ),
    "trainer.callbacks": (
        [{"class_path": "normnex_pl.callbacks.DiffusePhase"}],
        "trainer.callbacks.class_path: there is no normnex_pl.callbacks.DiffusePhase now",
    ),
}


def test_a_configuration_of_this_version_is_let_through() -> None:
    check_version(Path("config.yaml"), CONFIG)


@pytest.mark.parametrize("name", OLDER)
def test_what_another_version_wrote_is_refused_in_one_sentence_that_says_how_one_can_tell(
    name: str, tmp_path: Path
) -> None:
    value, reason = OLDER[name]
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(changed(name, value)), encoding="utf-8")
    refusals = (
        lambda: RunFolder(tmp_path).read_config(),
        lambda: check_config_files(["-c", str(path)]),
        lambda: check_config_files([f"--config={path}", "--seed_everything=1"]),
    )
    for refuse in refusals:
        with pytest.raises(UserError) as caught:
            refuse()
        message = str(caught.value)
        assert message.startswith(f"{path}: expected settings of normnex_pl {normnex_pl.__version__}, found")
        assert f"another version ({reason}). Train again" in message
        assert "\n" not in message


def test_files_that_cannot_be_read_are_left_to_the_parser(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("run: [", encoding="utf-8")
    (tmp_path / "list.yaml").write_text("- 1", encoding="utf-8")
    names = ("broken.yaml", "list.yaml", "missing.yaml")
    check_config_files([word for name in names for word in ("-c", str(tmp_path / name))])
    check_config_files(["-c"])


def test_a_run_is_resumed_with_its_own_configuration_alone(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.store(yaml.safe_dump(CONFIG), "1 2\n")
    run.check(yaml.safe_dump(changed("model.eval_chunk_size", 3)))  # there is nothing to resume yet
    run.checkpoint.parent.mkdir()
    run.checkpoint.touch()
    run.check(yaml.safe_dump(CONFIG))
    run.check(yaml.safe_dump(changed("data.scene", "elsewhere")))
    run.check(yaml.safe_dump(changed("trainer.callbacks", [])))
    with pytest.raises(UserError, match=r"model.eval_chunk_size: 16384 there, 3 now"):
        run.check(yaml.safe_dump(changed("model.eval_chunk_size", 3)))


def test_the_first_difference_is_named() -> None:
    assert first_difference(CONFIG, CONFIG) is None
    assert first_difference(CONFIG, changed("data.planes.near", 2)) == "data.planes.near: None there, 2 now"


def test_runs_lie_in_a_folder_of_their_scene_unless_told_otherwise(tmp_path: Path) -> None:
    settings = RunSettings(tmp_path, "nex_rgb", "tiny")
    assert RunFolder.of(settings, Path("scenes/demo/")).path == tmp_path / "demo" / "nex_rgb-tiny"
    assert RunFolder.of(RunSettings(folder=tmp_path / "here"), Path("scenes/demo")).path == tmp_path / "here"


def test_all_paths_lie_in_the_folder_and_differ(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    properties = [name for name, part in vars(RunFolder).items() if isinstance(part, property)]
    paths = [getattr(run, name) for name in properties]
    paths += [run.view_picture("a", "render"), run.view_picture("a", "error"), run.components(7)]
    assert len(set(paths)) == len(paths) > 12
    assert all(path.is_relative_to(tmp_path) for path in paths)


def test_an_evaluation_keeps_scores_of_files_that_were_baked_from_the_same_weights(tmp_path: Path) -> None:
    run, mpi = RunFolder(tmp_path), make_mpi("grid")
    digest = partial(model_digest, mpi)
    assert run.read_metrics() == {}
    run.store_baked_scores({"psnr": 30.0}, model_digest(mpi))
    baked = {"psnr": 30.0, "model": model_digest(mpi)}
    run.write_metrics({"steps": 1}, digest)  # the files are gone
    assert run.read_metrics() == {"steps": 1}
    run.baked.mkdir()
    run.store_baked_scores({"psnr": 30.0}, model_digest(mpi))
    run.write_metrics({"steps": 2}, digest)
    assert run.read_metrics() == {"steps": 2, "baked": baked}
    mpi.gate.fill_(0.5)
    run.write_metrics({"steps": 3}, digest)
    assert run.read_metrics() == {"steps": 3}
    run.store_baked_scores({"psnr": 30.0}, model_digest(mpi))
    run.forget_baked_scores()
    assert run.read_metrics() == {"steps": 3}
