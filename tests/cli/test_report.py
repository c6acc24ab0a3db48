"""``normnex report``: where runs stand, read from what they have written."""

from __future__ import annotations

import csv
import os
import shutil
import time
from pathlib import Path

import pytest
import yaml

from cli.helpers import failure, fit, metrics
from normnex_pl.cli.main import main
from normnex_pl.studies.standings import standing


@pytest.fixture(scope="module")
def runs(scene: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a run to its end, and derive its earlier states."""
    root = tmp_path_factory.mktemp("runs")
    finished = fit(scene, root / "desk" / "finished")
    for name in ("stopped", "training", "empty"):
        copy = shutil.copytree(finished, root / "other" / name)
        (copy / "metrics.json").unlink()
        config = yaml.safe_load((copy / "config.yaml").read_text(encoding="utf-8"))
        config["trainer"]["max_steps"] = 1200
        (copy / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    shutil.rmtree(root / "other" / "empty" / "checkpoints")
    long_ago = time.time() - 3 * 3600
    for name in ("stopped", "empty"):
        for path in (root / "other" / name).rglob("*"):
            os.utime(path, (long_ago, long_ago))
    return root


def test_each_run_has_a_line_with_its_state_its_steps_and_its_scores(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["report", f"--runs={runs}"])
    printed = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in printed.splitlines() if "/" in line]
    by_folder = {row[-1]: row for row in rows if len(row) > 3}
    psnr = f"{metrics(runs / 'desk' / 'finished')['test']['psnr']:.2f}"
    assert by_folder["desk/finished"][:7] == ["desk/nex_rgb-tiny", "0", "finished", "6", "6", "now", psnr]
    assert by_folder["other/stopped"][:7] == [
        "desk/nex_rgb-tiny",
        "0",
        "stopped",
        "6",
        "1200",
        "3 h ago",
        "-",
    ]
    assert by_folder["other/training"][2:6] == ["training", "6", "1200", "now"]
    assert by_folder["other/empty"][2:6] == ["empty", "0", "1200", "3 h ago"]
    assert "4 runs: 1 finished, 1 empty, 1 stopped, 1 training" in printed
    with (runs / "report.csv").open(newline="", encoding="utf-8") as file:
        stored = {row["folder"]: row for row in csv.DictReader(file)}
    assert float(stored[str(runs / "desk" / "finished")]["psnr"]) == pytest.approx(float(psnr), abs=0.005)
    assert stored[str(runs / "other" / "stopped")]["failure"] == "stopped at step 6"


def test_scores_of_a_shorter_training_are_not_those_of_the_run_that_goes_on(
    runs: Path, tmp_path: Path
) -> None:
    longer = shutil.copytree(runs / "desk" / "finished", tmp_path / "longer")
    config = (longer / "config.yaml").read_text(encoding="utf-8")
    (longer / "config.yaml").write_text(config.replace("max_steps: 6", "max_steps: 60"), encoding="utf-8")
    found = standing(longer)
    assert (found.state, found.run.metrics) == ("training", {})


def test_a_folder_without_runs_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = failure(capsys, "report", f"--runs={tmp_path}")
    assert message.startswith(f"{tmp_path}: expected run folders")
