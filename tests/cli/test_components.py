"""Pictures of the components: which files there are, when they are written, and that training is the same."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pytorch_lightning.loggers import Logger, TensorBoardLogger

from cli.helpers import (
    HEIGHT,
    HELD_OUT,
    NUM_TRAINING_VIEWS,
    WIDTH,
    checkpoint,
    failure,
    fit,
    metrics,
    picture,
    small,
    tensors,
)
from normnex_pl.cli.main import main
from normnex_pl.core.types import RayBatch
from normnex_pl.data.datamodule import SceneDataModule
from normnex_pl.training.callbacks import pictures as components
from normnex_pl.training.loggers.metrics_csv import MetricsCSV
from normnex_pl.training.loggers.sinks import log_picture

NEX = ("render", "photo", "error", "diffuse", "specular", "acc", "disparity", "depth", "components")
NORMNEX = (*NEX, "tint", "chroma", "target_normals", "normals")


def train(scene: Path, folder: Path, variant: str, *more: str) -> Path:
    """Train a variant in a run folder and return it."""
    main(["fit", *small(scene, f"--run.folder={folder}", *more, variant=variant)])
    return folder


def written(folder: Path) -> dict[str, set[str]]:
    """Return the names of the pictures, by step."""
    return {
        step.name: {path.stem for path in step.iterdir()}
        for step in sorted((folder / "components").iterdir())
    }


@pytest.mark.parametrize(("variant", "kinds"), [("nex_rgb", NEX), ("normnex_transmittance", NORMNEX)])
def test_a_run_leaves_pictures_of_all_that_its_model_has(
    scene: Path, tmp_path: Path, variant: str, kinds: tuple[str, ...]
) -> None:
    folder = train(scene, tmp_path, variant, "--trainer.max_steps=3")
    assert written(folder) == {"step_000003": {f"{HELD_OUT[0]}_{kind}" for kind in kinds} | {"mpi_sheet"}}
    pictures = folder / "components" / "step_000003"
    for kind in kinds:
        shape = picture(pictures / f"{HELD_OUT[0]}_{kind}.png").shape
        assert shape == (HEIGHT, WIDTH, 3) or kind == "components"
    for same, kind in (("render", "render"), ("photo", "truth"), ("error", "error")):
        np.testing.assert_array_equal(
            picture(pictures / f"{HELD_OUT[0]}_{same}.png"),
            picture(folder / "test" / f"{HELD_OUT[0]}_{kind}.png"),
        )
    # The checkpoint comes first: what goes wrong in drawing costs no training.
    saved, drawn = folder / "checkpoints" / "last.ckpt", pictures / "mpi_sheet.png"
    assert saved.stat().st_mtime <= drawn.stat().st_mtime


def test_pictures_are_written_every_few_epochs_and_once_at_the_end(scene: Path, tmp_path: Path) -> None:
    every = ("--pictures.every_n_epochs=2", "--pictures.views=[view_001,view_008]", "--pictures.layers=[1]")
    folder = fit(scene, tmp_path / "steps", f"--trainer.max_steps={4 * NUM_TRAINING_VIEWS + 3}", *every)
    pictures = written(folder)
    assert list(pictures) == ["step_000016", "step_000032", "step_000035"]
    expected = {f"{view}_{kind}" for view in ("view_001", "view_008") for kind in NEX} | {"mpi_sheet"}
    assert all(names == expected for names in pictures.values())
    folder = fit(scene, tmp_path / "epochs", "--trainer.max_steps=-1", "--trainer.max_epochs=2", *every)
    assert list(written(folder)) == ["step_000016"]


@pytest.mark.parametrize("variant", ["nex_rgb", "normnex_transmittance"])
def test_training_is_the_same_with_and_without_pictures(scene: Path, tmp_path: Path, variant: str) -> None:
    """Include the random numbers that come next, and estimates that are refreshed every hundred steps."""
    length = "--trainer.max_steps=20"
    without = train(scene, tmp_path / "without", variant, length)
    often = train(scene, tmp_path / "often", variant, length, "--pictures.every_n_epochs=1")
    assert len(written(often)) == 3
    assert_same_training(without, often)


def assert_same_training(one: Path, other: Path) -> None:
    expected, found = tensors(one), tensors(other)
    assert expected.keys() == found.keys()
    for name, weights in expected.items():
        assert torch.equal(found[name], weights), name
    states = [checkpoint(folder)["callbacks"]["RecordKeeper"]["random_state"] for folder in (one, other)]
    assert torch.equal(*states)


class PowerCutError(Exception):
    """Exception that ends a run from outside."""


def test_a_run_that_goes_on_with_pictures_equals_one_without(
    scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ("--trainer.max_steps=20", "--checkpoint_every=10")
    straight = fit(scene, tmp_path / "straight", *more)
    draw = SceneDataModule.draw_rays

    def draw_or_stop(self: SceneDataModule, step: int, rank: int, device: torch.device) -> RayBatch:
        if step == 12:
            raise PowerCutError
        return draw(self, step, rank, device)

    with monkeypatch.context() as patch:
        patch.setattr(SceneDataModule, "draw_rays", draw_or_stop)
        with pytest.raises(PowerCutError):
            fit(scene, tmp_path / "resumed", *more, "--pictures.every_n_epochs=1")
    assert list(written(tmp_path / "resumed")) == ["step_000008"]
    resumed = fit(scene, tmp_path / "resumed", *more, "--pictures.every_n_epochs=1")
    assert list(written(resumed)) == ["step_000008", "step_000016", "step_000020"]
    assert_same_training(straight, resumed)


def test_the_training_clock_does_not_count_pictures(
    scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(*_: Any) -> Iterator[tuple[str, NDArray[np.uint8]]]:
        time.sleep(3)
        yield "slow", np.zeros((1, 1, 3), dtype=np.uint8)

    monkeypatch.setattr(components, "_pictures", slowly)
    more = ("--pictures.every_n_epochs=1", f"--trainer.max_steps={NUM_TRAINING_VIEWS + 2}")
    folder = fit(scene, tmp_path, *more)
    assert set(written(folder)) == {"step_000008", "step_000010"}
    assert metrics(folder)["train_seconds"] < 3


@pytest.mark.parametrize(
    ("setting", "parts"),
    [
        ("--pictures.views=[view_000,nowhere]", ("pictures.views", "view_000, view_001", "found nowhere")),
        ("--pictures.layers=[2]", ("pictures.layers", "0 to 1", "[2]")),
        ("--pictures.layers=[]", ("pictures.layers", "0 to 1")),
        ("--pictures.every_n_epochs=-1", ("pictures.every_n_epochs", "at least 0", "-1")),
    ],
)
def test_bad_settings_are_refused_before_the_training(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], setting: str, parts: tuple[str, ...]
) -> None:
    arguments = ["fit", *small(scene, f"--run.folder={tmp_path / 'run'}", setting)]
    message = failure(capsys, *arguments)
    assert all(part in message for part in parts), message
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_weights_that_are_not_finite_can_be_shown(scene: Path, tmp_path: Path) -> None:
    """The message about them comes later, and must not be hidden by another."""
    arguments = small(scene, f"--run.folder={tmp_path}", variant="normnex_image")
    rates = "--model.optimizer.learning_rates={alpha: 1e38, base_color: 1e38, features: 1e38, basis: 1e38}"
    often = ("--pictures.every_n_epochs=1", f"--trainer.max_steps={2 * NUM_TRAINING_VIEWS}")
    with pytest.raises(SystemExit):
        main(["fit", *arguments, rates, *often])
    assert list(written(tmp_path)) == ["step_000008", "step_000016"]


class ImageLogger(Logger):
    """Logger that keeps its input, with W&B's method for images."""

    name, version = "images", "0"

    def __init__(self) -> None:
        super().__init__()
        self.images: list[tuple[str, tuple[int, ...], int | None]] = []

    def log_metrics(self, *_: Any, **__: Any) -> None:
        """Ignore them: they are not asked for here."""

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """Ignore them: they are not asked for here."""

    def log_image(self, key: str, images: list[Any], step: int | None = None) -> None:
        """Keep the pictures, as `pytorch_lightning.loggers.WandbLogger` takes them."""
        self.images.append((key, images[0].shape, step))


def test_loggers_get_the_pictures_if_they_take_any(tmp_path: Path) -> None:
    pixels = np.zeros((6, 8, 3), dtype=np.uint8)
    images = ImageLogger()
    log_picture(images, "components/view_000_depth", pixels, 7)
    assert images.images == [("components/view_000_depth", (6, 8, 3), 7)]
    board = TensorBoardLogger(tmp_path / "board")
    log_picture(board, "components/view_000_depth", pixels, 7)
    board.finalize("success")
    [events] = (tmp_path / "board").rglob("events.*")
    assert b"components/view_000_depth" in events.read_bytes()
    log_picture(MetricsCSV(tmp_path / "metrics.csv"), "components/view_000_depth", pixels, 7)
    assert not (tmp_path / "metrics.csv").exists()


def test_settings_are_part_of_the_configuration(scene: Path, tmp_path: Path) -> None:
    """A stored run is evaluated with the settings that it was trained with, and goes on with others."""
    folder = fit(scene, tmp_path, "--trainer.max_steps=2", "--pictures.views=[view_001]")
    assert "view_001_render" in written(folder)["step_000002"]
    main(["test", "-c", str(folder / "config.yaml"), f"--run.folder={folder}"])
    assert set(written(folder)) == {"step_000002"}
