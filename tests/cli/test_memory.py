"""Memory: estimated before a run, fitted into the device, advised about where it ends, and never growing."""

from __future__ import annotations

import gc
import logging
import re
import sys
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
import yaml

from cli.helpers import EXPERIMENTS, failure, fit, scalars, small, tensors
from cli.test_experiments import PRESETS, VARIANTS, build
from normnex_pl.cli.main import main
from normnex_pl.training.configurations import config_file, read_settings
from normnex_pl.training.initialization import Initialization
from normnex_pl.training.memory.count import Photos, estimate_training
from normnex_pl.training.memory.fake_step import StepSettings
from normnex_pl.training.memory.plan import MemoryPlan, MemorySettings

sys.path.insert(0, str(EXPERIMENTS / "benchmarks"))

from synthetic import write_scene

GIB = 2**30
BYTES_A_STEP = 1024  # counts differ by a quarter of it, from small objects that Python keeps for reuse


@pytest.fixture(scope="module", autouse=True)
def _counted(_quick_and_alone: None) -> Iterator[None]:
    """Estimate memory, unlike in tests of other things."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("normnex_pl.training.memory.plan.estimate_training", estimate_training)
        yield


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Write scenes of two photos each, as wide as presets ask for."""
    folder = tmp_path_factory.mktemp("photos")
    return {
        width: write_scene(folder / str(width), views=2, width=width, height=width * 3 // 4)
        for width in (1008, 1512, 2016)
    }


@pytest.mark.parametrize(("preset", "padding", "measured"), [("fast", 200, 4.1), ("paper", 139, 7.35)])
def test_what_is_counted_is_what_an_h100_measured(
    photos: dict[int, Path], tmp_path: Path, preset: str, padding: int, measured: float
) -> None:
    """Compare with `torch.cuda.max_memory_allocated` at 1008x756 with 17 photos."""
    sizes = ["--data.width=1008", f"--data.planes.padding={padding}"]
    trainer, module, data = build(photos[1008], tmp_path, "nex_rgb", preset, *sizes)
    settings = StepSettings(data.rays_per_step, module.train_chunk_size, str(trainer.precision))
    estimate = estimate_training(module, Photos(17, 756, 1008), settings)
    assert estimate.total / GIB == pytest.approx(measured, rel=0.06)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_can_be_counted(scene: Path, tmp_path: Path, variant: str) -> None:
    shrunk = ["--model.num_layers=4", "--model.sublayers=2", "--data.rays_per_step=60"]
    _, module, data = build(scene, tmp_path, variant, "fast", *shrunk)
    assert estimate_training(module, Photos(8, 30, 40), StepSettings(data.rays_per_step)).total > 0


def test_a_run_says_what_it_needs(scene: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "normnex_pl.training.memory.plan")
    fit(scene, tmp_path, "--trainer.max_steps=1")
    line = next(record.message for record in caplog.records if record.message.startswith("Memory: "))
    for word in (
        "GiB at the peak of a step",
        "parameters",
        "optimiser",
        "photos",
        "gradients",
        "activations",
    ):
        assert word in line


def arguments(scene: Path, folder: Path, *more: str) -> list[str]:
    """Return the arguments of a run whose rays take most of the memory: the paper's network."""
    sizes = ["--data.rays_per_step=600", "--model.field.init_args.width=64", "--trainer.precision=32-true"]
    return small(scene, f"--run.folder={folder}", "--trainer.max_steps=2", *sizes, *more, preset="paper")


def taken(scene: Path, folder: Path, *more: str) -> float:
    """Return the GiB that such a run takes on a CPU, by estimate."""
    trainer, module, data = build(
        scene, folder / "counted", "nex_rgb", "paper", *arguments(scene, folder, *more)[6:]
    )
    photos = Photos(8, data.geometry.height, data.geometry.width)
    precision = str(trainer.precision)
    settings = StepSettings(data.rays_per_step, module.train_chunk_size, precision, on_gpu=False)
    return estimate_training(module, photos, settings).total / GIB


def test_rays_are_split_where_they_would_not_fit_and_the_result_stays(
    scene: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "normnex_pl.training.memory.plan")
    seen: list[tuple[int | None, int]] = []
    step = pl.Trainer.test

    def look(trainer: pl.Trainer, model: Any, **keywords: Any) -> Any:
        seen.append((model.train_chunk_size, model.eval_chunk_size))
        return step(trainer, model, **keywords)

    monkeypatch.setattr(pl.Trainer, "test", look)
    main(["fit", *arguments(scene, tmp_path / "whole")])
    main(["fit", *arguments(scene, tmp_path / "parts", f"--memory.limit_gib={0.7 * taken(scene, tmp_path)}")])
    (whole, chunk), (parts, smaller) = seen
    assert (whole, chunk) == (None, 16384)
    assert parts is not None
    assert parts < 600
    assert 0 < smaller < 16384
    assert any("would not fit" in record.message for record in caplog.records)
    expected = tensors(tmp_path / "whole")
    for name, value in tensors(tmp_path / "parts").items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-5)
    losses = [float(scalars(tmp_path / name)[-1]["loss/total"]) for name in ("whole", "parts")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize(("limit", "usable"), [(None, 0.93 * 5), (2.0, 2.0), (40.0, 0.93 * 5)])
def test_a_limit_takes_no_more_than_there_is(
    limit: float | None, usable: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (4 * GIB, 24 * GIB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 3 * GIB)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 2 * GIB)
    plan = MemoryPlan(MemorySettings(limit))
    found = plan._usable_bytes(torch.device("cuda"))
    assert found == pytest.approx(usable * GIB, rel=1e-6)


def test_pictures_between_steps_reckon_with_what_a_recorded_step_keeps(
    scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside: list[int] = []
    monkeypatch.setattr(
        MemoryPlan, "_fit_chunk", lambda self, trainer, module, resident: beside.append(resident)
    )
    for name in ("Eager", "CudaGraph"):
        words = arguments(scene, tmp_path / name, f"--model.execution=normnex_pl.training.execution.{name}")
        main(["fit", *words, "--memory.limit_gib=100"])
    eager, recorded = beside[0], beside[2]  # then comes the evaluation's own
    assert recorded > 2 * eager


def test_what_cannot_fit_is_warned_of_with_settings_that_do(
    scene: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "normnex_pl.training.memory.plan")
    main(["fit", *arguments(scene, tmp_path, "--memory.limit_gib=0.001", "--trainer.max_steps=1")])
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert any("likely to run out of memory" in message for message in warnings)


def test_a_limit_of_nothing_is_refused(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = failure(capsys, "fit", *arguments(scene, tmp_path, "--memory.limit_gib=0"))
    assert "memory.limit_gib: expected more than 0, found 0" in message


class HungryInitialization(Initialization):
    """Ask for more than any device has, as a step on a full one does."""

    def __call__(self, mpi: Any, views: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total of")


class FullDevice(pl.Callback):
    """A device that is full at the second step, or at the first picture."""

    def __init__(self, stage: str) -> None:
        self.stage = stage

    def _fail(self) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total of")

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        if self.stage == "fit" and trainer.global_step == 1:
            self._fail()

    def on_test_batch_start(self, *_: Any) -> None:
        if self.stage == "test":
            self._fail()


def full(folder: Path, stage: str) -> list[str]:
    """Return the arguments that add the full device."""
    folder.mkdir()
    part = {"class_path": f"{__name__}.FullDevice", "init_args": {"stage": stage}}
    (folder / "full.yaml").write_text(yaml.safe_dump({"trainer": {"callbacks": [part]}}), encoding="utf-8")
    return ["-c", str(folder / "full.yaml")]


def test_running_out_of_memory_ends_with_advice(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = failure(capsys, "fit", *arguments(scene, tmp_path / "run"), *full(tmp_path / "more", "fit"))
    assert message.startswith(
        "Out of memory: CUDA out of memory. Tried to allocate 20.00 GiB. The training needs"
    )
    at_once = re.search(r"--model.train_chunk_size=(\d+)", message)
    assert at_once
    total = float(re.search(r"needs ([\d.]+) GiB", message)[1])  # type: ignore[index]
    target = float(re.search(r"fit in ([\d.]+) GiB", message)[1])  # type: ignore[index]
    assert total == pytest.approx(taken(scene, tmp_path), rel=0.01)
    assert target == pytest.approx(0.8 * total, rel=0.01)
    # The advice holds, by the same count.
    assert taken(scene, tmp_path / "advised", at_once[0]) <= 1.01 * target


def test_running_out_of_memory_in_the_evaluation_names_its_own_setting(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = failure(capsys, "fit", *arguments(scene, tmp_path / "run"), *full(tmp_path / "more", "test"))
    assert "--model.eval_chunk_size=4096" in message
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").exists()


def test_running_out_of_memory_before_the_first_step_is_a_message_too(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hungry = f"--initialization={__name__}.HungryInitialization"
    message = failure(capsys, "fit", *arguments(scene, tmp_path, hungry))
    assert "Out of memory" in message


class Census(pl.Callback):
    """Count at some steps what is alive: tensors, their bytes, and Python's own memory."""

    steps: tuple[int, ...] = (14, 24, 34, 44, 54)
    counted: list[tuple[int, int, int]]

    def __init__(self) -> None:
        Census.counted = []

    def on_train_start(self, *_: Any) -> None:
        tracemalloc.start()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step in self.steps:
            gc.collect()
            alive = [item for item in gc.get_objects() if type(item) in (torch.Tensor, torch.nn.Parameter)]
            size = sum(item.untyped_storage().nbytes() for item in alive)
            Census.counted.append((len(alive), size, tracemalloc.get_traced_memory()[0]))

    def on_train_end(self, *_: Any) -> None:
        tracemalloc.stop()


def test_nothing_grows_with_the_number_of_steps(scene: Path, tmp_path: Path) -> None:
    part = {"class_path": f"{__name__}.Census"}
    (tmp_path / "census.yaml").write_text(
        yaml.safe_dump({"trainer": {"callbacks": [part]}}), encoding="utf-8"
    )
    words = small(scene, f"--run.folder={tmp_path / 'run'}", variant="normnex_transmittance")
    more = ["--trainer.max_steps=55", "--trainer.log_every_n_steps=1000", "--checkpoint_every=10"]
    main(["fit", *words, *more, "-c", str(tmp_path / "census.yaml")])
    tensors = {counted[:2] for counted in Census.counted}
    assert len(Census.counted) == len(Census.steps)
    assert len(tensors) == 1
    python = [counted[2] for counted in Census.counted]
    # A cache that fills shows between some counts; what is kept of each step, between all.
    assert min(later - earlier for earlier, later in pairwise(python)) < 10 * BYTES_A_STEP


@pytest.mark.parametrize("preset", [name for name in PRESETS if name.endswith("gb")])
def test_presets_for_cards_differ_in_sizes_alone(preset: str) -> None:
    base, card = (read_settings(config_file("presets", name)) for name in (preset.rpartition("_")[0], preset))
    del base["run"], card["run"]
    for settings in (base, card):
        settings["data"].pop("width")
        settings["model"].pop("train_chunk_size", None)
    assert card == base


@pytest.mark.parametrize("preset", [name for name in PRESETS if name.endswith("gb")])
def test_presets_for_cards_fit_them(
    photos: dict[int, Path], tmp_path: Path, preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Assume 60 photos, and leave a tenth of the card for other programs and for fragmentation."""
    # Gigabytes take seconds to fill, and their sizes alone count.
    monkeypatch.setattr(torch.Tensor, "uniform_", lambda tensor, *_, **__: tensor)
    card = int(preset.rpartition("_")[2].removesuffix("gb"))
    width = read_settings(config_file("presets", preset))["data"]["width"]
    sizes = [f"--data.width={width}", f"--data.planes.padding={round(200 / 1008 * width)}"]
    trainer, module, data = build(photos[width], tmp_path, "nex_rgb", preset, *sizes)
    taken = Photos(60, data.geometry.height, width)
    settings = StepSettings(data.rays_per_step, module.train_chunk_size, str(trainer.precision))
    estimate = estimate_training(module, taken, settings)
    assert estimate.total <= 0.9 * card * GIB
