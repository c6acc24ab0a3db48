"""Readers on the command line: detected automatically, or chosen with options of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from cli.helpers import HEIGHT, WIDTH, failure, fit, small
from data.layouts import LAYOUTS, Captured, captured, write_colmap_text, write_llff, write_nerfstudio
from data.synthetic import write_photos
from normnex_pl.data.datamodule import SceneDataModule
from normnex_pl.training.run_identity import first_difference

READERS = "normnex_pl.data.readers.auto"


def written(write: Callable[[Path, Captured], Path], root: Path) -> Path:
    """Return a scene with photos that are large enough for the survey."""
    scene = captured(10)
    write(root, scene)
    write_photos(root / "images", scene.names, (WIDTH, HEIGHT))
    return root


def test_a_chosen_reader_and_its_options_are_stored(tmp_path: Path) -> None:
    root = written(write_colmap_text, tmp_path / "scene")
    write_llff(root, captured(10))
    write_photos(root / "images", captured(10).names, (WIDTH, HEIGHT))
    reader = ["--data.reader=ColmapReader", "--data.reader.percentiles.near=5"]
    folder = fit(root, tmp_path / "run", *reader)
    stored = yaml.safe_load((folder / "config.yaml").read_text())["data"]["reader"]
    assert stored["class_path"].endswith("ColmapReader")
    assert stored["init_args"] == {"percentiles": {"near": 5.0, "far": 99.9}, "model": None}
    fit(root, folder, *reader)  # goes on in the folder


def test_runs_without_the_option_are_those_from_before_there_was_one(tmp_path: Path) -> None:
    folder = fit(written(write_nerfstudio, tmp_path / "scene"), tmp_path / "run")
    stored = yaml.safe_load((folder / "config.yaml").read_text())["data"]
    assert stored.pop("reader") is None
    assert first_difference(stored, {**stored, "reader": None}) is None


@pytest.mark.parametrize(
    ("options", "fragments"),
    [
        (["ColmapReader", "--data.reader.percentiles.far=101"], ["percentiles", "near < far <= 100", "101"]),
        (
            ["SpacesReader", "--data.reader.near=7", "--data.reader.far=3"],
            ["depth bounds", "near 7 and far 3"],
        ),
        (
            ["NerfstudioReader", "--data.reader.bounds={near: 0, far: 3}"],
            ["depth bounds", "near 0 and far 3"],
        ),
        (["LLFFReader"], ["poses_bounds.npy", "found no such file"]),
        (["Videos"], ["data.reader", "Videos"]),
    ],
)
def test_impossible_options_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], fragments: list[str]
) -> None:
    root = tmp_path / "scene"
    for layout in ("colmap text", "spaces", "nerfstudio"):
        LAYOUTS[layout](root, captured(3))
    name, *rest = options
    arguments = [f"--run.folder={tmp_path / 'run'}", f"--data.reader={READERS}.{name}", *rest]
    message = failure(capsys, "fit", *small(root, *arguments))
    for fragment in fragments:
        assert fragment in message
    assert not (tmp_path / "run").exists()


def test_a_scene_of_each_kind_gives_batches(tmp_path: Path) -> None:
    for layout, write in LAYOUTS.items():
        data = SceneDataModule(write(tmp_path / layout, captured(3)), rays_per_step=30)
        assert data.draw_rays(0, 0, data.scene.views[0].image.device).rgb.shape == (10, 3, 3)
