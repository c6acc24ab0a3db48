"""What `normnex export` prints of a demo run, with the scores of the written files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from normnex_pl.cli.main import main
from normnex_pl.export.formats import FORMATS


@pytest.mark.parametrize("name", ["glb", "html"])
def test_the_written_file_is_scored_on_the_held_out_views(
    name: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["export", str(run), f"--format={name}", "--device=cpu", f"--output={tmp_path / f'a.{name}'}"])
    said = capsys.readouterr().out
    assert f"It loses {FORMATS[name].loses}." in said
    found = re.search(r"PSNR on 2 held-out views: (\d+\.\d\d) dB", said)
    assert found, said
    assert 5 < float(found[1]) < 40


def test_what_is_not_measured_says_why(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["export", str(run), "--format=anaglyph", "--device=cpu", f"--output={tmp_path / 'a.png'}"])
    assert "PSNR not measured: these pictures show no held-out view." in capsys.readouterr().out
