"""``normnex export``: what is written, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.helpers import failure
from normnex_pl.cli.main import main
from normnex_pl.export.baked.pipeline import BakeSettings, bake
from normnex_pl.export.formats import FORMATS
from support.small import make_mpi, moved, reference_camera


@pytest.fixture(scope="module")
def baked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a run folder with nothing but a baked image."""
    folder = tmp_path_factory.mktemp("runs") / "baked"
    camera = reference_camera()
    settings = BakeSettings(threshold=0.0)
    bake(make_mpi("grid"), [camera, moved(camera, 0.1)], folder / "mpi", settings, {"scene": "desk"})
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_baked_image_is_written_as_it_is_and_again(
    baked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        main(["export", str(baked), "--format=mpi", f"--output={tmp_path / 'out'}"])
        assert f"{tmp_path / 'out'} is written" in capsys.readouterr().out
        assert contents(tmp_path / "out") == contents(baked / "mpi")


def test_unknown_formats_are_answered_with_those_that_there_are(
    baked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = failure(capsys, "export", str(baked), "--format=jpeg", f"--output={tmp_path / 'out'}")
    assert message.startswith("--format: expected one of mpi")
    assert "found jpeg" in message
    assert not (tmp_path / "out").exists()


def test_the_help_says_what_each_format_holds_and_loses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["export", "--help"])
    assert not end.value.code
    words = " ".join(capsys.readouterr().out.split())
    for one in FORMATS.values():
        assert f"{one.name}: {one.summary} loses {one.loses}" in words


def test_other_files_are_left_alone(baked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").touch()
    assert "found one with other files" in failure(capsys, "export", str(baked), f"--output={tmp_path}")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_run_that_is_not_baked_says_how_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"normnex bake {tmp_path}" in failure(capsys, "export", str(tmp_path))
