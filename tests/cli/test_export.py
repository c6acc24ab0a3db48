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
        said = capsys.readouterr().out
        assert f"{tmp_path / 'out'} is written" in said
        assert f"It loses {FORMATS['mpi'].loses}." in said
        assert "PSNR not measured, which needs the run and its scene" in said  # there is no checkpoint here
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


@pytest.mark.parametrize(
    ("words", "option", "having"),
    [
        (["--format=mpi", "--quality=80"], "--quality", "html"),
        (["--format=html", "--layers=2"], "--layers", "glb, gltf, layers"),
        (["--format=glb", "--splats=1"], "--splats", "ply, spz"),
        (["--format=anaglyph", "--quilt_columns=2"], "--quilt_columns", "quilt"),
        (["--format=ply", "--eye_distance=0.1"], "--eye_distance", "side_by_side, "),
    ],
)
def test_options_that_a_format_does_not_have_are_refused(
    words: list[str],
    option: str,
    having: str,
    baked: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    message = failure(capsys, "export", str(baked), *words, f"--output={tmp_path / 'out'}")
    assert message.startswith(f"{option}: expected a format that has it ({having}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format=html", "--quality=0"], "--quality: expected 1 to 100"),
        (["--format=glb", "--layers=99"], "--layers: expected 1 to 6"),
        (["--format=spz", "--splats=11"], "--splats: expected at most 10 million"),
        (["--format=quilt", "--quilt_rows=0"], "--quilt_rows: expected 1 to 64"),
        (["--format=anaglyph", "--convergence=-1"], "--convergence: expected a positive number"),
    ],
)
def test_numbers_out_of_range_are_refused_in_a_line(
    words: list[str], message: str, baked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ending = {"html": ".html", "glb": ".glb", "spz": ".spz"}.get(words[0].removeprefix("--format="), ".png")
    found = failure(capsys, "export", str(baked), *words, f"--output={tmp_path / f'out{ending}'}")
    assert found.startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_options_reach_their_format(baked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--quilt_columns=3", "--quilt_rows=2", "--quilt_aspect=0.5", "--eye_distance=0.4", "--no_score"]
    main(["export", str(baked), "--format=quilt", *words, f"--output={tmp_path / 'desk.png'}"])
    assert "PSNR" not in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["desk_qs3x2a0.5.png"]
    main(
        [
            "export",
            str(baked),
            "--format=layers",
            "--layers=3",
            "--no_score",
            f"--output={tmp_path / 'three'}",
        ]
    )
    assert len(list((tmp_path / "three").glob("layer_*_depth.png"))) == 3
