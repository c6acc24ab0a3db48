"""Files are written whole or not at all."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from normnex_pl.core.files import replacing, write_json


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
