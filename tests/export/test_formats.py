"""Export formats: all of them by their interface, and the baked folder by its files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from normnex_pl.core.errors import UserError
from normnex_pl.export.baked.files import read_manifest
from normnex_pl.export.baked.image import BakedMPI
from normnex_pl.export.baked.pipeline import BakeSettings, bake
from normnex_pl.export.baked.renderers import render_image
from normnex_pl.export.formats import FORMATS
from normnex_pl.export.formats.mpi import MPIFormat
from support.small import make_mpi, moved, reference_camera


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Make a run folder with a baked image, and a file in it that isn't part of the image."""
    camera = reference_camera()
    settings = BakeSettings(threshold=0.0)
    bake(make_mpi("grid"), [camera, moved(camera, 0.1)], tmp_path / "run" / "mpi", settings, {})
    (tmp_path / "run" / "mpi" / "notes.txt").write_text("private")
    return tmp_path / "run"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_what_it_writes_and_what_it_loses(name: str) -> None:
    one = FORMATS[name]
    assert one.name == name
    for text in (one.summary, one.loses):
        assert text
        assert "\n" not in text


def target_in(folder: Path, name: str) -> Path:
    """Return where a format writes by default."""
    return folder / FORMATS[name].default_name("desk")


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_writes_whole_files_and_again(name: str, run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    for _ in range(2):
        path = FORMATS[name].write(run, target_in(folder, name))
        assert list(folder.iterdir()) == [path]
        assert path.is_dir() == (path.suffix == "")
    assert path.is_dir() or path.stat().st_size > 0


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_leaves_other_files_alone(name: str, run: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    taken = FORMATS[name].write(run, target_in(mine, name))
    if taken.is_dir():
        (taken / "thesis.txt").write_text("years of work")
    else:
        taken.write_text("years of work")
    before = contents(mine)
    with pytest.raises(
        UserError, match=f"{taken.name}: expected a new .*, found .* other|found another file"
    ):
        FORMATS[name].write(run, taken)
    if not taken.is_dir():
        taken.unlink()
        taken.mkdir()
        (taken / "thesis.txt").write_text("years of work")
        before = contents(mine)
        with pytest.raises(UserError, match="found a folder"):
            FORMATS[name].write(run, taken)
    assert contents(mine) == before


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_writes_nothing_where_it_may_not(name: str, run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises((UserError, OSError), match="file"):
        FORMATS[name].write(run, target_in(tmp_path / "file" / "folder", name))
    assert {path.name for path in tmp_path.iterdir()} == {"run", "file"}


@pytest.mark.parametrize("name", [name for name in FORMATS if FORMATS[name].default_name("a") != name])
def test_files_have_their_formats_ending(name: str, run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected a name that ends in"):
        FORMATS[name].write(run, tmp_path / "out" / "desk.txt")


@pytest.mark.parametrize("name", ["mpi", "html", "glb", "gltf", "layers"])
def test_written_files_show_the_image(name: str, run: Path, tmp_path: Path) -> None:
    path = FORMATS[name].write(run, target_in(tmp_path / "out", name))
    camera = reference_camera()
    shown = FORMATS[name].open(path, torch.device("cpu"))(camera)
    component = "rgb" if name in ("mpi", "html") else "diffuse"
    expected = render_image(BakedMPI.read(run / "mpi"), camera)[component]
    assert float((shown - expected).abs().max()) < 0.02


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_needs_a_run_and_writes_nothing_without_one(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{tmp_path}"):
        FORMATS[name].write(tmp_path / "none", target_in(tmp_path, name))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("exists", [True, False])
def test_the_baked_folder_is_copied_byte_by_byte_and_alone(run: Path, tmp_path: Path, exists: bool) -> None:
    target = tmp_path / "out" / "scene"
    if exists:
        target.mkdir(parents=True)
    assert MPIFormat().write(run, target) == target
    expected = contents(run / "mpi")
    del expected["notes.txt"]
    assert contents(target) == expected
    assert BakedMPI.read(target).manifest == read_manifest(run / "mpi")
    assert [path.name for path in target.parent.iterdir()] == ["scene"]


def test_an_earlier_export_is_replaced_unless_something_was_added(run: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    for settings in (BakeSettings(threshold=0.0), BakeSettings(threshold=0.0, alpha_pixels=2.0)):
        bake(make_mpi("grid"), [reference_camera()], run / "mpi", settings, {})
        MPIFormat().write(run, target)
        assert contents(target) == contents(run / "mpi")
    (target / "notes.txt").write_text("mine")
    before = contents(target)
    with pytest.raises(UserError, match="out: expected a new or empty folder"):
        MPIFormat().write(run, target)
    assert contents(target) == before
    (target / "notes.txt").unlink()
    (target / "manifest.json").write_text("{}")  # somebody else's
    with pytest.raises(UserError, match="out: expected a new or empty folder"):
        MPIFormat().write(run, target)


def test_a_damaged_image_is_not_exported(run: Path, tmp_path: Path) -> None:
    table = run / "mpi" / "alpha_tiles.bin"
    table.write_bytes(bytes(len(table.read_bytes())))
    with pytest.raises(UserError, match=r"alpha_tiles\.bin: expected \d+ bytes as they were baked"):
        MPIFormat().write(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_interruption_leaves_no_half_of_a_folder(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("normnex_pl.export.baked.files.shutil.copyfile", interrupt)
    with pytest.raises(KeyboardInterrupt):
        MPIFormat().write(run, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_an_image_is_not_copied_into_itself(run: Path) -> None:
    before = contents(run / "mpi")
    with pytest.raises(UserError, match="expected a folder outside the baked image"):
        MPIFormat().write(run, run / "mpi" / "copy")
    assert contents(run / "mpi") == before
