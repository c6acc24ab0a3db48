"""Files are written whole or not at all."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import check_place, file_name, folder_name, replacing, write_json, write_text
from support.small import few


def test_a_new_file_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_file_stays_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError), replacing(path) as temporary:
        temporary.write_text("half, then \ud800", encoding="utf-8")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_first_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="disk full"), replacing(tmp_path / "new.txt"):
        raise RuntimeError("disk full")
    assert list(tmp_path.iterdir()) == []


def test_the_temporary_file_is_hidden_beside_the_file_with_its_ending(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "folder" / "picture.png"
    with replacing(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.suffix == ".png"
        assert temporary.name.startswith(".")
    assert path.exists()


def test_files_can_be_read_by_everyone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    with replacing(path) as temporary:
        temporary.write_text("new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_json_survives_the_round_trip(tmp_path: Path) -> None:
    value = {"psnr": 31.5, "lpips_vgg": None, "views": [{"name": "été"}], "ok": True}
    path = tmp_path / "metrics.json"
    write_json(path, value)
    assert json.loads(path.read_text(encoding="utf-8")) == value
    assert path.read_text(encoding="utf-8").endswith("}\n")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_json_refuses_what_json_does_not_have(tmp_path: Path, value: float) -> None:
    path = tmp_path / "metrics.json"
    write_json(path, {"psnr": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"psnr": value})
    assert json.loads(path.read_text()) == {"psnr": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_scene_has_the_name_that_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = tmp_path / "deep" / "real"
    real.mkdir(parents=True)
    (tmp_path / "link").symlink_to(real)
    monkeypatch.chdir(real)
    names = {
        "../../link": "link",
        "../../link/": "link",
        str(tmp_path / "link" / "."): "link",
        ".": "real",
        "": "real",
        "..": "deep",
        "../..": tmp_path.name,
        "../../link/..": "deep",  # the folder that holds what the link leads to
        "/": "root",
        "not/there yet": "there yet",
    }
    assert {typed: folder_name(Path(typed)) for typed in names} == names


@given(
    stem=st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1),
    more=st.text(),
)
@few
def test_names_of_files_are_never_too_long_and_stay_different(stem: str, more: str) -> None:
    long = stem * (300 // len(stem.encode()) + 1)
    names = [file_name(text, ".png") for text in (stem, long, long + "a", long + "b")]
    assert len(set(names)) == 4
    assert all(len(name.encode()) <= 200 and name.endswith(".png") for name in names)
    assert len(stem.encode()) > 196 or names[0] == f"{stem}.png"


def test_long_names_can_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / f"{'n' * 250}.json"
    write_text(path, "{}")
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["file/below", "x" * 256])
def test_a_place_that_cannot_be_written_to_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check_place(tmp_path / "new" / "folder")
    assert not list((tmp_path / "new" / "folder").iterdir())
    with pytest.raises(UserError, match=f"{name}: expected a place to write to, found none"):
        check_place(tmp_path / name)
    with pytest.raises(OSError, match=r"a\.txt") as caught:
        write_text(tmp_path / name / "a.txt", "")
    assert caught.value.filename == str(tmp_path / name / "a.txt")
