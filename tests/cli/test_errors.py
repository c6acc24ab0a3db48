"""Bad input and bad luck: one clear message, status 2, and nothing harmed or left lying about."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from cli.helpers import (
    EXPERIMENTS,
    NUM_TRAINING_VIEWS,
    checkpoint,
    configs,
    failure,
    fit,
    small,
    tensors,
    the_one_message,
)
from normnex_pl.data.datamodule import SceneDataModule

# Arguments to add to those of a good run, and what the message must name.
BAD_ARGUMENTS: dict[str, tuple[list[str], list[str]]] = {
    "missing scene": (["--data.scene=/nowhere/desk"], ["/nowhere/desk", "expected a folder with a scene"]),
    "missing variant": (["-c", str(EXPERIMENTS / "variants/nix.yaml")], ["variants/nix.yaml", "not exist"]),
    "missing preset": (["-c", str(EXPERIMENTS / "presets/huge.yaml")], ["presets/huge.yaml", "not exist"]),
    "misspelt argument": (["--data.ray_per_step=60"], ["--data.ray_per_step"]),
    "misspelt argument of a class": (["--model.field.init_args.divisor=[1]"], ["divisor"]),
    "misspelt loss": (["--model.weights.gradients=1"], ["--model.weights.gradients"]),
    "unknown class": (
        ["--model.color.class_path=normnex_pl.model.appearance.Sepia"],
        ["model.color", "normnex_pl.model.appearance.Sepia"],
    ),
    "class of another kind": (
        ["--model.color.class_path=normnex_pl.model.appearance.NeuralBasis"],
        ["model.color", "normnex_pl.model.appearance.NeuralBasis"],
    ),
    "text for a number": (["--data.rays_per_step=many"], ["data.rays_per_step", "int", "many"]),
    "fraction for a count": (["--model.num_layers=1.5"], ["model.num_layers", "int", "1.5"]),
    "weight of a loss without its part": (
        ["--model.weights.orientation=0.1"],
        ["model.weights", "orientation", "found 0.1", "model.normals"],
    ),
    "weight of a loss without an estimator": (
        ["--model.weights.consistency=0.2"],
        ["model.weights", "consistency", "found 0.2", "model.estimator"],
    ),
    "too few rays": (["--data.rays_per_step=2"], ["data.rays_per_step", "at least 3", "found 2"]),
    "no training view left": (
        [f"--data.num_validation_views={NUM_TRAINING_VIEWS}"],
        ["data.num_validation_views", "expected 0 to 7", "found 8"],
    ),
    "gradients of several batches": (
        ["--trainer.accumulate_grad_batches=2"],
        ["trainer.accumulate_grad_batches", "found 2", "data.rays_per_step"],
    ),
    "gradients in another scale": (
        ["--trainer.precision=16-mixed"],
        ["trainer.precision", "found 16-mixed", "bf16-mixed"],
    ),
    "no end": (["--trainer.max_steps=-1", "--trainer.max_epochs=-1"], ["trainer.max_steps", "limit"]),
    "no width": (["--data.width=0"], ["width", "positive", "found 0"]),
    "learning rates of another field": (
        ["--model.optimizer.learning_rates={network: 0.001, basis: 0.001, base_color: 0.01}"],
        ["model.optimizer.learning_rates", "'alpha'", "'network'"],
    ),
}


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that gets as far as drawing rays."""

    def refuse(*_: object) -> None:
        raise AssertionError("It trains.")

    monkeypatch.setattr(SceneDataModule, "draw_rays", refuse)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(("arguments", "fragments"), list(BAD_ARGUMENTS.values()), ids=list(BAD_ARGUMENTS))
def test_bad_arguments_are_named_and_leave_nothing_behind(
    scene: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    fragments: list[str],
) -> None:
    folder = tmp_path / "run"
    message = failure(capsys, "fit", *small(scene, f"--run.folder={folder}", *arguments))
    for fragment in fragments:
        assert fragment in message
    assert not folder.exists()


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("data: {ray_per_step: 60}", "data.ray_per_step"),
        ("modle: {num_layers: 2}", "modle"),
        ("data: {rays_per_step: [", "pars"),
    ],
    ids=["misspelt key", "misspelt section", "not YAML"],
)
def test_bad_files_are_refused(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, fragment: str
) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    arguments = small(scene, f"--run.folder={tmp_path / 'run'}", "-c", str(tmp_path / "mine.yaml"))
    assert fragment in failure(capsys, "fit", *arguments)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        ([], "expected a command"),
        (["trian"], "expected one of prepare, inspect, train, eval"),
        (["fit", *configs()], "data.scene"),
        (["fit", "--data.scene=scenes/demo"], "model.field"),
    ],
    ids=["nothing", "unknown command", "no scene", "no configuration"],
)
def test_what_is_missing_is_named(
    capsys: pytest.CaptureFixture[str], arguments: list[str], fragment: str
) -> None:
    assert fragment in failure(capsys, *arguments)


@pytest.mark.parametrize("name", ["missing scene", "text for a number"])
def test_a_process_ends_soon_and_without_a_stack_trace(scene: Path, tmp_path: Path, name: str) -> None:
    arguments, fragments = BAD_ARGUMENTS[name]
    command = [sys.executable, "-m", "normnex_pl", "fit", *small(scene, *arguments)]
    begin = time.monotonic()
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert time.monotonic() - begin < 30
    assert done.returncode == 2
    message = the_one_message(done.stderr)
    assert all(fragment in message for fragment in fragments)
    assert not list(tmp_path.iterdir())


def explode(scene: Path, folder: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """Train with learning rates that become absurd after four of eight steps; return the message."""
    schedule = "--model.schedule.class_path=normnex_pl.training.schedules.StepDecay"
    stages = ["--model.schedule.init_args.factor=1e300", "--model.schedule.init_args.stages=2"]
    arguments = small(scene, f"--run.folder={folder}", "--trainer.max_steps=8", schedule, *stages, *more)
    return failure(capsys, "fit", *arguments)


# Every second step, the loss before the refused checkpoint isn't finite. At every step, the loss before it
# still is: that step's update alone has spoiled the weights.
@pytest.mark.parametrize("checkpoint_every", [1, 2])
def test_the_last_good_checkpoint_survives_a_loss_that_is_not_finite(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], checkpoint_every: int
) -> None:
    message = explode(scene, tmp_path, capsys, f"--checkpoint_every={checkpoint_every}")
    assert "not a finite number" in message
    assert str(tmp_path / "checkpoints" / "last.ckpt") in message
    assert "learning_rates" in message
    assert checkpoint(tmp_path)["global_step"] == 4
    assert all(value.isfinite().all() for value in tensors(tmp_path).values())
    assert not (tmp_path / "metrics.json").exists()


def test_a_loss_that_is_not_finite_is_said_without_any_checkpoint(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = explode(scene, tmp_path, capsys)
    assert "No checkpoint had been written yet" in message
    assert not (tmp_path / "checkpoints" / "last.ckpt").exists()
    assert not (tmp_path / "metrics.json").exists()


def test_a_damaged_checkpoint_is_named(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = fit(scene, tmp_path, "--trainer.max_steps=1")
    path = folder / "checkpoints" / "last.ckpt"
    path.write_bytes(path.read_bytes()[:1000])
    arguments = ["-c", str(folder / "config.yaml"), f"--run.folder={folder}"]
    assert str(path) in failure(capsys, "test", *arguments)


def test_checkpoints_hold_nothing_that_must_be_executed(run: Path) -> None:
    content = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert content["global_step"] == 6
