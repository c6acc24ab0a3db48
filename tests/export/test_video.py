"""``normnex video`` on a small run: what is written, and what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from cli.helpers import HEIGHT, ROOT, WIDTH, fit, quick_and_alone, status_of, the_one_message
from export.video_reading import psnr, read_gif, read_mp4
from normnex_pl.cli.errors import INTERRUPTED
from normnex_pl.core.errors import UserError
from normnex_pl.evaluation.pictures.sheet import Panel, in_rows, lay_out
from normnex_pl.export.paths import PATHS, CameraPath
from normnex_pl.export.video.frames import FrameSource
from normnex_pl.export.video.make import find_rig
from normnex_pl.training.trained_run import read_run

NUM_VIEWS = 6
COMPONENTS = [
    "render",
    "photo",
    "diffuse",
    "specular",
    "tint",
    "chroma",
    "acc",
    "disparity",
    "depth",
    "normals",
]


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """Run all tests of this file quickly and alone."""
    with quick_and_alone():
        yield


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a few small views of the shipped scene."""
    demo, folder = ROOT / "scenes" / "demo", tmp_path_factory.mktemp("scenes") / "desk"
    (folder / "images").mkdir(parents=True)
    for path in sorted((demo / "images").glob("*.jpg"))[:NUM_VIEWS]:
        with Image.open(path) as image:
            image.resize((WIDTH, HEIGHT)).save(folder / "images" / f"{path.stem}.png")
    np.save(folder / "poses_bounds.npy", np.load(demo / "poses_bounds.npy")[:NUM_VIEWS])
    return folder


@pytest.fixture(scope="module")
def run(_quick: None, scene: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a run of a model that has all components."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    configs = ["-c", str(ROOT / "experiments" / "variants" / "normnex_transmittance.yaml")]
    return fit(scene, folder, *configs, "--trainer.max_steps=2", f"--data.width={WIDTH}")


def made(run: Path, *more: str) -> None:
    assert status_of("video", str(run), "--device=cpu", *more) == 0


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert status_of("video", "--device=cpu", *arguments) == 2
    return the_one_message(capsys.readouterr().err)


def test_a_grid_is_written_as_it_is_rendered(run: Path, tmp_path: Path) -> None:
    words = ["--components", "render", "photo", "disparity", "--formats", "mp4", "gif", f"--out={tmp_path}"]
    made(run, *words, "--frames=3", "--rate=12.5", "--crf=4", "--width=64")
    stem = tmp_path / "spiral_render-photo-disparity"
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{stem.name}.gif", f"{stem.name}.mp4"]
    trained = read_run(run, None, torch.device("cpu"))
    module, scene = trained.module, trained.data.scene
    path = PATHS["spiral"](find_rig(scene, module.mpi.geometry), 3)
    names = ["render", "photo", "disparity"]
    rendered = list(FrameSource(module.mpi, scene, 64, 48, module.eval_chunk_size).panels(path, names))
    sheet = lay_out(in_rows(rendered[0], 2))
    mp4, gif = read_mp4(stem.with_suffix(".mp4")), read_gif(stem.with_suffix(".gif"))
    assert mp4.rate == gif.rate == 12.5
    assert len(mp4.frames) == len(gif.frames) == 3
    height, width, _ = sheet.page.shape
    for panels, encoded, indexed in zip(rendered, mp4.frames, gif.frames, strict=True):
        frame = sheet.fill(panels)
        assert encoded.shape == (height + height % 2, width + width % 2, 3)
        assert psnr(frame, encoded[:height, :width]) > 38
        assert psnr(frame, indexed) > 28


def test_every_component_of_every_path_without_the_photos(run: Path, tmp_path: Path) -> None:
    for path in PATHS:
        made(run, f"--path={path}", "--components", "all", "--no-scene", "--frames=2", f"--out={tmp_path}")
        names = "-".join(name for name in COMPONENTS if name != "photo")
        assert len(read_mp4(tmp_path / f"{path}_{names}.mp4").frames) == 2


def test_alone_the_render_fills_the_frame_and_lasts_as_long_as_asked(run: Path) -> None:
    folder = run / "video"
    made(run, "--path=orbit", "--seconds=0.5", "--rate=10", "--width=31", "--height=21")
    written = read_mp4(folder / "orbit_render.mp4")
    assert len(written.frames) == 5
    assert written.rate == 10
    assert written.frames[0].shape == (22, 32, 3)
    before = (folder / "orbit_render.mp4").read_bytes()
    made(run, "--path=orbit", "--seconds=0.3", "--rate=10", "--width=31", "--height=21")
    assert (folder / "orbit_render.mp4").read_bytes() != before
    shutil.rmtree(folder)


def test_pictures_have_the_size_of_the_photos_unless_told(run: Path, tmp_path: Path) -> None:
    made(run, "--frames=1", f"--out={tmp_path}")
    assert read_mp4(tmp_path / "spiral_render.mp4").frames[0].shape == (HEIGHT, WIDTH, 3)
    made(run, "--frames=1", "--height=48", f"--out={tmp_path}")
    assert read_mp4(tmp_path / "spiral_render.mp4").frames[0].shape == (48, 64, 3)


def test_an_interruption_leaves_the_older_video(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(run, "--frames=2", f"--out={tmp_path}")
    [path] = tmp_path.iterdir()
    before = path.read_bytes()
    rendered = FrameSource.panels

    def interrupted(self: FrameSource, path: CameraPath, names: Sequence[str]) -> Iterator[list[Panel]]:
        yield next(rendered(self, path, names))
        raise KeyboardInterrupt

    monkeypatch.setattr(FrameSource, "panels", interrupted)
    assert status_of("video", str(run), "--device=cpu", "--frames=3", f"--out={tmp_path}") == INTERRUPTED
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == before


def moved_run(run: Path, tmp_path: Path) -> Path:
    """Return a copy of the run whose scene is gone from where the configuration has it."""
    folder = shutil.copytree(run, tmp_path / "run")
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    config["data"]["scene"] = "/gone/desk"
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder


def test_a_scene_that_moved_is_asked_for(
    run: Path, scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = moved_run(run, tmp_path)
    message = refused(capsys, str(folder))
    assert message.startswith(f"{folder / 'config.yaml'}: expected the scene of the run in /gone/desk")
    assert "--scene=" in message
    assert "--no-scene" in message
    assert not (folder / "video").exists()
    made(folder, f"--scene={scene}", "--frames=1", "--components", "photo", "--columns=1")
    assert (folder / "video" / "spiral_photo.mp4").exists()


def test_another_scene_is_refused(
    run: Path, scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = shutil.copytree(scene, tmp_path / "other")
    (other / "planes.txt").write_text("1.5 70 1\n")
    assert "expected weights that were trained on this scene" in refused(capsys, str(run), f"--scene={other}")


def test_photos_taken_from_one_place_make_no_path(run: Path) -> None:
    trained = read_run(run, None, torch.device("cpu"))
    module, known = trained.module, trained.data.scene
    with pytest.raises(UserError, match=r"found one place.*--no-scene"):
        find_rig(replace(known, train=known.train[:1]), module.mpi.geometry)


@pytest.mark.parametrize("more", [[], ["--no-scene"]])
def test_without_a_run_or_a_checkpoint_there_is_nothing_to_show(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    assert f"{tmp_path / 'none'}" in refused(capsys, str(tmp_path / "none"), *more)
    folder = shutil.copytree(run, tmp_path / "run")
    (folder / "checkpoints" / "last.ckpt").unlink()
    message = refused(capsys, str(folder), *more)
    assert message.startswith(f"{folder / 'checkpoints' / 'last.ckpt'}: expected the checkpoint")
    assert not (folder / "video").exists()


def test_unknown_components_are_answered_with_those_of_the_model(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(capsys, str(run), "--components", "render", "shininess", "error")
    assert f"components that this run's model has ({', '.join(COMPONENTS)}, or all)" in message
    assert message.endswith("found shininess, error.")


def test_photos_cannot_be_shown_without_the_scene(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(capsys, str(run), "--components", "render", "photo", "--no-scene")
    assert "expected the scene's photos beside the render, found --no-scene" in message


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--frames=0", "--frames: expected at least 1, found 0"),
        ("--seconds=nan", "--seconds: expected a positive number, found nan"),
        ("--rate=0", "--rate: expected 0.1 to 1000 frames a second, found 0"),
        ("--rate=60 --formats mp4 gif", "--rate: expected 0.1 to 50 frames a second, found 60"),
        ("--width=3", "--width: expected at least 16, found 3"),
        ("--reach=-1", "--reach: expected a positive number, found -1"),
        ("--crf=52", "--crf: expected 0 to 51, found 52"),
        ("--columns=0", "--columns: expected at least 1, found 0"),
        ("--device=abacus", "--device: expected cpu or cuda, found abacus"),
    ],
)
def test_numbers_out_of_range_are_refused_before_anything_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str, expected: str
) -> None:
    assert refused(capsys, str(tmp_path), *words.split()).startswith(expected)


@pytest.mark.parametrize(
    ("words", "name", "size"),
    [
        (["--stereo=side_by_side"], "spiral_render_side_by_side", (HEIGHT, 2 * WIDTH)),
        (["--stereo=half_side_by_side"], "spiral_render_half_side_by_side", (HEIGHT, WIDTH)),
        (["--stereo=anaglyph", "--eye_distance=0.5"], "spiral_render_anaglyph", (HEIGHT, WIDTH)),
        (
            ["--stereo=quilt", "--quilt_columns=3", "--quilt_rows=2"],
            "spiral_render_qs3x2a1.3333",
            (2 * HEIGHT, 3 * WIDTH),
        ),
    ],
)
def test_several_viewpoints_are_shown_at_once(
    words: list[str], name: str, size: tuple[int, int], run: Path, tmp_path: Path
) -> None:
    made(run, *words, "--frames=1", f"--out={tmp_path}")
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.mp4"]
    (frame,) = read_mp4(tmp_path / f"{name}.mp4").frames
    assert frame.shape[:2] == size


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--eye_distance=0.5"], "--stereo: expected beside options of eyes and quilts"),
        (["--stereo=anaglyph", "--quilt_rows=3"], "--quilt_rows: expected a quilt, found anaglyph"),
        (["--stereo=quilt", "--quilt_columns=0"], "--quilt_columns: expected 1 to 64"),
        (
            ["--stereo=anaglyph", "--components", "render", "depth"],
            "--components: expected one rendered component",
        ),
    ],
)
def test_viewpoints_that_make_no_sense_are_refused(
    words: list[str], message: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(capsys, str(run), *words, f"--out={tmp_path}").startswith(message)
    assert list(tmp_path.iterdir()) == []
