"""The benchmark: it counts right, what it stores can be compared, and what it can't measure it says."""

from __future__ import annotations

import json
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "experiments" / "benchmarks"))

import bench  # noqa: E402
import cases  # noqa: E402
import clock  # noqa: E402
import results  # noqa: E402
import step  # noqa: E402
import synthetic  # noqa: E402
import work  # noqa: E402
from cli.helpers import quick_and_alone  # noqa: E402
from normnex_pl.data.datamodule import SceneDataModule  # noqa: E402
from normnex_pl.training.configurations import known  # noqa: E402
from normnex_pl.training.execution import Eager  # noqa: E402

CPU = torch.device("cpu")
PARTS = {"rays", "field", "compositing", "losses", "backward", "regularisers", "optimiser", "refresh"}


@pytest.fixture(scope="module", autouse=True)
def _alone() -> Iterator[None]:
    """Run all tests of this file quickly and alone."""
    with quick_and_alone():
        yield


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a whole benchmark of two variants, one of which refreshes its estimator; return its results."""
    path = tmp_path_factory.mktemp("bench") / "stored.json"
    words = ["--presets", "fast", "--variants", "nex_rgb", "normnex_transmittance", "--out", str(path)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "GROWTH", {axis: (far, near[:1]) for axis, (far, near) in bench.GROWTH.items()})
        assert bench.main(words) == 0
    return path


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def test_a_step_is_told_with_its_parts(stored: Path) -> None:
    content = read(stored)
    assert set(content["steps"]) == {"fast/nex_rgb", "fast/normnex_transmittance"}
    for row in content["steps"].values():
        assert set(row["parts_ms"]) == PARTS
        assert min(row["parts_ms"][part] for part in ("rays", "field", "compositing", "backward")) > 0
        assert row["need_gib"] > 0
        assert row["frame_size"] == [bench.SMALL_WIDTH, bench.SMALL_WIDTH * 3 // 4]
        assert row["samples_per_second"] == pytest.approx(8 * row["rays_per_second"])  # 4 layers of 2 planes
        assert "peak_gib" not in row  # a CPU has none
    steps = content["steps"]
    assert steps["fast/normnex_transmittance"]["parts_ms"]["refresh"] > 0
    assert steps["fast/nex_rgb"]["parts_ms"]["refresh"] == 0
    assert content["baked"]["frame_ms"] > 0
    assert set(content["growth"]) == set(bench.GROWTH)
    assert all(row["step_ms"] > 0 for rows in content["growth"].values() for row in rows.values())


def test_tables_have_a_row_for_everything(stored: Path) -> None:
    text = results.report(read(stored))
    for word in ("fast/nex_rgb", "fast/normnex_transmittance", "Baked frame", *bench.GROWTH, "Small sizes"):
        assert word in text


def test_two_results_are_compared_number_by_number(stored: Path, tmp_path: Path) -> None:
    old = read(stored)
    new = read(stored)
    new["steps"]["fast/nex_rgb"]["step_ms"] *= 2
    new["steps"]["paper/nex_rgb"] = new["steps"]["fast/nex_rgb"]  # the old one doesn't know it
    new["about"]["device"] = "another"
    text = results.comparison(old, new)
    (line,) = (line for line in text.splitlines() if "steps fast/nex_rgb step_ms" in line)
    assert "2.000" in line
    assert "paper" not in text
    assert "Not the same device" in text
    (line,) = (line for line in text.splitlines() if "baked frame_ms" in line)
    assert "1.000" in line


@pytest.mark.parametrize("content", [None, "no JSON", "[1]", '{"steps": {}}'])
def test_what_cannot_be_compared_with_is_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    path = tmp_path / "old.json"
    if content is not None:
        path.write_text(content)
    assert bench.main(["--compare", str(path), "--out", str(tmp_path / "new.json")]) == 2
    assert str(path) in capsys.readouterr().err
    assert not (tmp_path / "new.json").exists()


def test_unknown_names_are_refused_with_the_choices(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--presets", "fats"]) == 2
    message = capsys.readouterr().err
    assert "fats" in message
    assert "fast" in message


def test_a_case_that_fails_is_named_and_stops_no_other(tmp_path: Path) -> None:
    scenes = cases.Scenes(None, tmp_path)
    bad = cases.Case(arguments=(*bench.SMALL, "--model.num_layers=0"), width=bench.SMALL_WIDTH)
    assert set(cases.run_case(bad, scenes, lambda trainer, module: {})) == {"failure"}

    def fill(*_: object) -> dict[str, Any]:
        raise torch.OutOfMemoryError("out of memory")

    good = cases.Case(arguments=bench.SMALL, width=bench.SMALL_WIDTH)
    assert cases.run_case(good, scenes, fill) == {"failure": "OutOfMemoryError: out of memory"}
    text = results.table([["", "a", "b"], ["x", "OutOfMemoryError: out of memory"], ["y", "1", "2"]])
    assert len(text.splitlines()) == 4


def test_nothing_of_a_case_is_left_when_the_memory_of_the_next_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules: list[weakref.ReferenceType[nn.Module]] = []
    left = []

    def forget(really: Callable[[], None] = step.forget) -> None:
        really()
        left.append(any(module() is not None for module in modules))

    def measure(trainer: object, module: nn.Module) -> dict[str, Any]:
        modules.append(weakref.ref(module))
        return {}

    monkeypatch.setattr(step, "forget", forget)
    case = cases.Case(arguments=bench.SMALL, width=bench.SMALL_WIDTH)
    scenes = cases.Scenes(None, tmp_path)
    for _ in range(2):
        assert set(cases.run_case(case, scenes, measure)) == {"lightning_ms"}
    assert left == [False, False]


def test_the_whole_of_presets_and_variants_is_the_default() -> None:
    chosen = {str(case) for case in bench.chosen_cases(bench.parser().parse_args([]))}
    assert {f"{p}/{v}" for p in bench.MAIN_PRESETS for v in known("variants")} <= chosen
    assert {f"{preset}/nex_rgb" for preset in known("presets")} <= chosen
    assert all(cases.preset_width(preset) > 0 for preset in known("presets"))


def test_a_scene_of_any_size_can_be_read(tmp_path: Path) -> None:
    data = SceneDataModule(synthetic.write_scene(tmp_path / "scene", views=9, width=40, height=30))
    assert (len(data.scene.train), len(data.scene.test)) == (7, 2)
    assert (data.geometry.width, data.geometry.height) == (40, 30)
    assert data.geometry.far / data.geometry.near == pytest.approx(synthetic.FAR / synthetic.NEAR, rel=0.2)


def test_operations_of_a_linear_layer_are_counted_by_hand() -> None:
    layer, x = nn.Linear(64, 32), torch.zeros(128, 64)
    with work.WorkCounter() as counter:
        layer(x).sum().backward()
    # Forward, and the gradient of the weight; the input needs none.
    assert counter.work.flops == {"fp32": 2 * (2 * 128 * 64 * 32)}
    ceilings = {"fp32": 1e12, "tf32": 8e12, "bf16": 16e12, "copy": 1e30}
    assert counter.work.milliseconds(ceilings, tf32=False) == pytest.approx(2 * 2 * 128 * 64 * 32 / 1e9)
    assert counter.work.milliseconds(ceilings, tf32=True) == pytest.approx(2 * 2 * 128 * 64 * 32 / 8e9)


def test_bytes_are_those_that_are_read_and_written() -> None:
    x, y = torch.zeros(1000), torch.zeros(1000)
    with work.WorkCounter() as counter:
        x.view(10, 100).add_(y.view(10, 100))  # views move nothing
    assert counter.work.num_bytes == 3 * 4000
    assert counter.work.operations == 1


def test_of_a_texture_only_what_is_read_counts() -> None:
    texture, places = torch.zeros(1, 3, 500, 500), torch.zeros(1, 10, 1, 2)
    with work.WorkCounter() as counter:
        nn.functional.grid_sample(texture, places, align_corners=False)
    out = 4 * 30
    assert counter.work.num_bytes == 4 * out + places.nbytes + out


def test_an_optimiser_reads_four_and_writes_three_times_its_parameters() -> None:
    parameter = nn.Parameter(torch.zeros(10_000))
    optimizer = torch.optim.Adam([parameter], fused=True)
    for _ in range(2):
        parameter.grad = torch.zeros_like(parameter)
        with work.WorkCounter() as counter:
            optimizer.step()
    assert counter.work.num_bytes == pytest.approx(7 * 40_000, rel=0.01)


def test_laps_are_medians_between_marks() -> None:
    def body(mark: clock.Mark) -> None:
        mark()
        mark()

    *laps, total = clock.median_laps(body, CPU, repeats=5)
    assert len(laps) == 3
    assert 0 <= min(laps) <= max(laps) <= total


def test_what_was_measured_with_fewer_rays_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def row(trainer: Any, module: Any, repeats: int) -> dict[str, float]:
        if trainer.datamodule.rays_per_step > 20:
            raise torch.OutOfMemoryError("too many\nand more")
        return {"step_ms": 1.0}

    monkeypatch.setattr(step, "growth_row", row)
    trainer = SimpleNamespace(datamodule=SimpleNamespace(rays_per_step=0))
    dropped: list[int] = []
    module = SimpleNamespace(
        execution=Eager(), device=CPU, zero_grad=lambda: dropped.append(trainer.datamodule.rays_per_step)
    )
    measured = step.step_by_rays(trainer, module, [10, 20, 30], 1)  # type: ignore[arg-type]
    assert measured == {"10": {"step_ms": 1.0}, "20": {"step_ms": 1.0}, "30": {"failure": "too many"}}
    assert dropped == [10, 20, 30]  # gradients of the step before lie in its memory


def test_growth_is_of_whole_steps_with_their_share_of_a_refresh(monkeypatch: pytest.MonkeyPatch) -> None:
    def prefixes(*_: Any) -> Any:
        raise AssertionError("they would be timed, and their memory counted, for nothing")

    monkeypatch.setattr(step, "step_laps", lambda *_: [1.0, 2.0, 3.0, 4.0, 5.0, 15.0])
    monkeypatch.setattr(step, "milliseconds", lambda *_, **__: 8.0)
    monkeypatch.setattr(step, "prefixes", prefixes)
    module = SimpleNamespace(estimator=SimpleNamespace(every=4), device=CPU)
    assert step.growth_row(None, module, 1) == {"step_ms": 15.0 + 8.0 / 4}  # type: ignore[arg-type]
