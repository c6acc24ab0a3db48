"""A run that was stopped goes on where it was, and ends as if nothing had happened."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch

from cli.helpers import (
    EXPERIMENTS,
    NUM_TRAINING_VIEWS,
    checkpoint,
    diffuse,
    failure,
    fit,
    metrics,
    scalars,
    small,
    tensors,
)
from normnex_pl.cli.main import main
from normnex_pl.core.types import RayBatch
from normnex_pl.data.datamodule import SceneDataModule

STOPPED_BEFORE = 12
SAVED_AT = 10

# The length of a run may be given in steps or in epochs; the stop comes in the middle of the second one.
LENGTHS = {
    "steps": ("--trainer.max_steps=20",),
    "epochs": ("--trainer.max_steps=-1", "--trainer.max_epochs=3"),
}


class PowerCutError(Exception):
    """A run is ended from outside."""


@pytest.fixture(params=list(LENGTHS.values()), ids=list(LENGTHS))
def length(request: pytest.FixtureRequest) -> Sequence[str]:
    """Return the arguments that say how long to train."""
    arguments: Sequence[str] = request.param
    return arguments


def fit_until_stopped(
    scene: Path, folder: Path, *more: str, error: type[BaseException] = PowerCutError
) -> None:
    """Start a run that ends while it draws the rays of a step."""
    draw = SceneDataModule.draw_rays

    def draw_or_stop(self: SceneDataModule, step: int, rank: int, device: torch.device) -> RayBatch:
        if step == STOPPED_BEFORE:
            raise error
        return draw(self, step, rank, device)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SceneDataModule, "draw_rays", draw_or_stop)
        with pytest.raises((error, SystemExit)):
            fit(scene, folder, f"--checkpoint_every={SAVED_AT}", *more)
    signal.signal(signal.SIGINT, handler)  # Lightning stops listening when it was interrupted once


def test_a_resumed_run_equals_an_uninterrupted_one(
    scene: Path, tmp_path: Path, length: Sequence[str]
) -> None:
    straight = fit(scene, tmp_path / "straight", f"--checkpoint_every={SAVED_AT}", *length)
    fit_until_stopped(scene, tmp_path / "resumed", *length)
    assert checkpoint(tmp_path / "resumed")["global_step"] == SAVED_AT
    resumed = fit(scene, tmp_path / "resumed", f"--checkpoint_every={SAVED_AT}", *length)

    expected, found = tensors(straight), tensors(resumed)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
    steps = metrics(straight)["steps"]
    assert steps == (20 if len(length) == 1 else 3 * NUM_TRAINING_VIEWS)
    assert metrics(resumed)["steps"] == steps
    assert metrics(resumed)["views"] == metrics(straight)["views"]
    assert scalars(resumed) == scalars(straight)
    assert [int(row["step"]) for row in scalars(resumed)] == list(range(steps))


@pytest.mark.parametrize(("phase", "gate_when_saved"), [(15, 0), (10, 0), (9, 1), (4, 1)])
def test_a_run_resumed_inside_or_after_its_diffuse_phase_equals_an_uninterrupted_one(
    scene: Path, tmp_path: Path, phase: int, gate_when_saved: float
) -> None:
    more = (f"--checkpoint_every={SAVED_AT}", "--trainer.max_steps=20")
    more = (*more, *diffuse(tmp_path, fraction=phase / 20))
    straight = tensors(fit(scene, tmp_path / "straight", *more))
    fit_until_stopped(scene, tmp_path / "resumed", *more)
    assert tensors(tmp_path / "resumed")["mpi.gate"] == gate_when_saved
    resumed = tensors(fit(scene, tmp_path / "resumed", *more))
    assert straight["mpi.gate"] == 1
    assert straight["mpi.field.features"].abs().max() > 0
    for name, value in straight.items():
        assert torch.equal(resumed[name], value), name


def test_a_resumed_run_counts_on(scene: Path, tmp_path: Path) -> None:
    fit_until_stopped(scene, tmp_path / "run", "--trainer.max_steps=16")
    before = checkpoint(tmp_path / "run")["state_dict"]["record._extra_state"]
    after = metrics(fit(scene, tmp_path / "run", f"--checkpoint_every={SAVED_AT}", "--trainer.max_steps=16"))
    assert before["steps"] == SAVED_AT
    assert after["steps"] == 16
    assert after["train_seconds"] > before["seconds"]
    assert after["rays_per_second"] * after["train_seconds"] == pytest.approx(16 * 60, rel=0.01)


def test_a_run_stopped_by_the_user_can_be_resumed(scene: Path, tmp_path: Path) -> None:
    more = ("--trainer.max_steps=14",)
    fit_until_stopped(scene, tmp_path / "run", *more, error=KeyboardInterrupt)
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert metrics(fit(scene, tmp_path / "run", f"--checkpoint_every={SAVED_AT}", *more))["steps"] == 14


def test_a_run_stopped_before_its_first_checkpoint_starts_again(scene: Path, tmp_path: Path) -> None:
    more = ("--checkpoint_every=100", "--trainer.max_steps=14")
    fit_until_stopped(scene, tmp_path / "run", *more)
    folder = fit(scene, tmp_path / "run", *more)
    assert [int(row["step"]) for row in scalars(folder)] == list(range(14))


def test_a_finished_run_is_evaluated_but_not_trained_again(
    run: Path, scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(run, tmp_path / "again")
    (folder / "metrics.json").unlink()

    def refuse(*_: object) -> RayBatch:
        raise AssertionError("It trains.")

    monkeypatch.setattr(SceneDataModule, "draw_rays", refuse)
    fit(scene, folder)
    again, before = metrics(folder), metrics(run)
    assert again["steps"] == before["steps"]
    assert again["train_seconds"] == pytest.approx(before["train_seconds"], abs=0.5)
    assert again["views"] == before["views"]
    assert scalars(folder) == scalars(run)
    for name, value in tensors(run).items():
        assert torch.equal(tensors(folder)[name], value), name


def test_a_stored_configuration_is_enough_to_resume(run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run, tmp_path / "copy")
    main(["fit", "-c", str(folder / "config.yaml"), f"--run.folder={folder}"])
    assert metrics(folder)["views"] == metrics(run)["views"]


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ("--model.num_layers=3", "model.num_layers: 2 there, 3 now"),
        ("--model.weights.gradient=0.1", "model.weights.gradient: 0.05 there, 0.1 now"),
        ("--data.rays_per_step=90", "data.rays_per_step: 60 there, 90 now"),
        ("--seed_everything=1", "seed_everything: 0 there, 1 now"),
    ],
)
def test_a_run_folder_refuses_another_configuration(
    run: Path, scene: Path, capsys: pytest.CaptureFixture[str], change: str, difference: str
) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    message = failure(capsys, "fit", *small(scene, f"--run.folder={run}", change))
    assert str(run) in message
    assert difference in message
    assert "--run.folder" in message
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_more_steps_lengthen_a_finished_run(run: Path, scene: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run, tmp_path / "longer")
    steps = 6 + NUM_TRAINING_VIEWS
    fit(scene, folder, f"--trainer.max_steps={steps}")
    assert metrics(folder)["steps"] == steps
    assert [int(row["step"]) for row in scalars(folder)] == list(range(steps))


@pytest.mark.parametrize(("every", "saved_at"), [(2, [2, 4, 6]), (4, [4, 6])])
def test_each_checkpoint_is_written_once_and_from_the_training_device(
    scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int, saved_at: list[int]
) -> None:
    """After training Lightning takes the model off a GPU, but not the state of optimiser and callbacks."""
    saves = []

    def note(trainer: pl.Trainer, path: Path, **options: bool) -> None:
        assert trainer.training
        saves.append(trainer.global_step)
        save(trainer, path, **options)

    save = pl.Trainer.save_checkpoint
    monkeypatch.setattr(pl.Trainer, "save_checkpoint", note)
    fit(scene, tmp_path / "run", f"--checkpoint_every={every}")
    assert saves == saved_at


@pytest.mark.parametrize("variant", ["normnex_transmittance", "normnex_image", "normnex_loss_gradient"])
def test_resuming_is_exact_where_targets_are_kept_over_many_steps(
    scene: Path, tmp_path: Path, variant: str
) -> None:
    """They are refreshed every 100 steps; neither saving between two refreshes nor resuming changes them."""
    more = ["-c", str(EXPERIMENTS / "variants" / f"{variant}.yaml"), "--trainer.max_steps=20"]
    straight = fit(scene, tmp_path / "straight", "--checkpoint_every=100", *more)
    fit_until_stopped(scene, tmp_path / "resumed", *more)
    assert checkpoint(tmp_path / "resumed")["global_step"] == SAVED_AT
    resumed = fit(scene, tmp_path / "resumed", f"--checkpoint_every={SAVED_AT}", *more)
    expected, found = tensors(straight), tensors(resumed)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
