"""A run knows its scene by the files that it read, wherever they lie, and says what inspect finds."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from cli.helpers import failure, fit, small, status_of
from normnex_pl.core.errors import UserError
from normnex_pl.data.datamodule import SceneDataModule
from normnex_pl.training.run_folder import RunFolder
from normnex_pl.training.run_start import check_writable
from normnex_pl.training.trained_run import read_run


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def inverted(scene: Path) -> str:
    """Replace all photos by others of the same size."""
    for path in (scene / "images").iterdir():
        with Image.open(path) as image:
            changed = ImageOps.invert(image)
        changed.save(path)
    return "images/view_000.png has another content, and 9 more differ"


def one_pixel(scene: Path) -> str:
    """Change one value of one training photo."""
    path = scene / "images" / "view_003.png"
    with Image.open(path) as image:
        pixels = np.array(image)
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(path)
    return "images/view_003.png has another content"


def swapped(scene: Path) -> str:
    """Exchange two photos, which leaves the cameras as they are."""
    first, second = (scene / "images" / f"view_00{number}.png" for number in (1, 2))
    first.rename(scene / "other")
    second.rename(first)
    (scene / "other").rename(second)
    return "images/view_001.png has another content, and 1 more differ"


def renamed(scene: Path) -> str:
    """Give a photo another name, in the same place of the order."""
    (scene / "images" / "view_004.png").rename(scene / "images" / "view_0040.png")
    return "images/view_004.png is missing, and 1 more differ"


@pytest.mark.parametrize("change", [inverted, one_pixel, swapped, renamed])
def test_a_run_refuses_another_scene(
    change: Callable[[Path], str], run: Path, scene: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(scene, tmp_path / scene.name)
    difference = change(other)
    with pytest.raises(UserError, match=re.escape(f"found other files in {other} ({difference}). Name the")):
        read_run(run, other, torch.device("cpu"))  # by bake, video and figures


def test_a_run_stays_as_it_is_when_its_scene_has_become_another(
    run: Path, scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(run, tmp_path / "run")
    other = shutil.copytree(scene, tmp_path / scene.name)
    difference = inverted(other)
    before = contents(folder)
    words = [*small(other, f"--run.folder={folder}", "--trainer.max_steps=9")]
    for command in (["fit", *words], ["eval", str(folder), f"--scene={other}"]):
        message = failure(capsys, *command)
        assert message.startswith(
            f"{folder}: expected the scene that it was trained on, found other files in"
        )
        assert f"{other} ({difference})" in message
        assert "--run.folder=" in message
    assert contents(folder) == before


def moved(scene: Path, place: Path) -> Path:
    return shutil.copytree(scene, place / "elsewhere")


def linked(scene: Path, place: Path) -> Path:
    (place / "link").symlink_to(scene)
    return place / "link"


def with_what_no_training_reads(scene: Path, place: Path) -> Path:
    """Add smaller photos, notes, and where the planes stand, which the geometry tells."""
    other = shutil.copytree(scene, place / "more")
    (other / "images_8").mkdir()
    for path in (other / "images").iterdir():
        with Image.open(path) as image:
            image.resize((8, 6)).save(other / "images_8" / path.name)
    (other / "notes.txt").write_text("fine", encoding="utf-8")
    (other / ".DS_Store").touch()
    return other


@pytest.mark.parametrize("change", [moved, linked, with_what_no_training_reads])
def test_a_run_knows_its_scene_wherever_it_lies(
    change: Callable[[Path, Path], Path], run: Path, scene: Path, tmp_path: Path
) -> None:
    read_run(run, change(scene, tmp_path), torch.device("cpu"))


def test_a_damaged_fingerprint_is_named(run: Path, scene: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run, tmp_path / "run")
    for content in (b"", b"[]", b'{"a": 1}', b"\xff\x00"):
        (folder / "scene.json").write_bytes(content)
        with pytest.raises(UserError, match=r"scene\.json: expected hashes .* Delete it, if the scene is"):
            read_run(folder, scene, torch.device("cpu"))
    (folder / "scene.json").unlink()
    read_run(folder, scene, torch.device("cpu"))


def test_a_linked_scene_keeps_its_name(scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(scene)
    assert SceneDataModule(tmp_path / "link").scene.name == "link"
    monkeypatch.chdir(tmp_path / "link")
    assert SceneDataModule(Path(".")).scene.name == scene.name


def test_findings_of_the_inspection_are_said_once_before_the_training(
    scene: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fit(scene, tmp_path / "run", "--after_fit=validate", "--data.num_validation_views=1")
    said = [record.message for record in caplog.records if record.message.startswith(f"{scene.name}: ")]
    assert sum("training views are few" in message for message in said) == 1


@pytest.mark.parametrize("name", ["file/run", "x" * 256])
def test_a_run_folder_that_cannot_be_written_is_named_before_the_training(
    name: str, scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    message = failure(capsys, "fit", *small(scene, f"--run.folder={tmp_path / name}"))
    assert message.startswith(f"{tmp_path / name}: expected a place to write to, found none (")


@pytest.mark.parametrize("name", ["metrics.json", "metrics.csv", "test/contact_sheet.png", "scene.json"])
def test_a_folder_in_the_place_of_a_file_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir(parents=True)
    with pytest.raises(UserError, match=f"{name}: expected a file of a run, found a folder"):
        check_writable(RunFolder(tmp_path))


def test_views_may_have_the_longest_names_and_any_characters(scene: Path, tmp_path: Path) -> None:
    names = ["写" * 78 + f"{number:02}" for number in range(5)]
    names += [f"IMG $\\frac{{{number}$ _{{" for number in range(4)] + ["z" * 251]
    other = tmp_path / "long"
    (other / "images").mkdir(parents=True)
    for path, name in zip(sorted((scene / "images").iterdir()), sorted(names), strict=True):
        shutil.copy(path, other / "images" / f"{name}.png")
    shutil.copy(scene / "poses_bounds.npy", other)
    words = [f"--run.folder={tmp_path / 'run'}", "--trainer.max_steps=2", f"--pictures.views=['{'z' * 251}']"]
    assert status_of("fit", *small(other, *words)) == 0
    written = [path.name for path in (tmp_path / "run" / "test").iterdir()]
    assert len(written) == 2 * 3 + 1
