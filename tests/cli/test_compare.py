"""``normnex compare``: what is trained, kept, and written."""

from __future__ import annotations

import csv
import re
import shutil
import statistics
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from typing_extensions import override

from cli.helpers import EXPERIMENTS, WIDTH, failure, metrics, picture, small, status_of
from normnex_pl.cli.compare import Options
from normnex_pl.cli.main import main as normnex
from normnex_pl.cli.options import parse
from normnex_pl.studies.comparison import read_comparison
from normnex_pl.studies.queue.processes import RunProcess
from normnex_pl.studies.rows import Row, chosen_rows
from normnex_pl.training.configurations import known
from support.sheets import find

ROWS = """
rows:
  nex_rgb: {variant: nex_rgb}
  two_functions:
    variant: nex_rgb
    args: ["--model.basis.init_args.num_basis=2"]
"""
BROKEN = """
  endless:
    variant: nex_rgb
    args: ["--trainer.max_steps=-1"]
  misspelt:
    variant: nex_rgb
    args: ["--model.no_such_setting=1"]
"""

Compare = Callable[..., int]
PROCESS = "normnex_pl.studies.queue.worker.RunProcess"


def settings(scene: Path, *more: str) -> list[str]:
    """Return the options of `small` that aren't files or the comparison's own."""
    words = [word for word in small(scene) if word.startswith("--") and "data.scene" not in word]
    return [*words, "--trainer.max_steps=3", *more]


class Over(RunProcess):
    """A run that ended at once: `RunProcess` without a process."""

    def __init__(self, status: int) -> None:
        self._status = status

    @property
    @override
    def status(self) -> int:
        return self._status

    @override
    def live(self) -> None: ...

    @override
    def end(self) -> None: ...


def run_here(words: Sequence[str], log: Path, gpu: str | None, lease: float) -> RunProcess:
    """Train in this process, which has imported everything already."""
    assert list(words[1:4]) == ["-m", "normnex_pl", "fit"]
    status = 0
    with log.open("a", encoding="utf-8") as text, redirect_stdout(text), redirect_stderr(text):
        try:
            normnex([*words[3:]])
        except SystemExit as end:
            status = int(end.code or 0)
    return Over(status)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Train in this process, and return the names of the runs' folders in the order of training."""
    folders: list[str] = []

    def run(words: Sequence[str], log: Path, gpu: str | None, lease: float) -> RunProcess:
        folders.append(log.parent.name)
        return run_here(words, log, gpu, lease)

    monkeypatch.setattr(PROCESS, run)
    return folders


@pytest.fixture
def compare(scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compare:
    """Call the command; the sources count as unchanged, whoever edits them while the tests run."""
    monkeypatch.setattr("normnex_pl.data.scene.fingerprint._sources", lambda package: "sources")

    def call(*options: str, rows: str = ROWS, more: Sequence[str] = ()) -> int:
        (tmp_path / "rows.yaml").write_text(rows)
        ours = [f"--rows={tmp_path / 'rows.yaml'}", "--preset=tiny", f"--out={tmp_path / 'out'}"]
        where = [] if "nowhere" in options else [str(scene)]
        return status_of("compare", *where, *ours, *options, "--", *settings(scene, *more))

    return call


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "table.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_two_rows_are_trained_compared_and_kept(
    compare: Compare, trained: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare() == 0
    assert trained == ["nex_rgb-seed0", "two_functions-seed0"]
    out = tmp_path / "out"
    first, second = table(out)
    assert (first["row"], second["row"], second["variant"]) == ("nex_rgb", "two_functions", "nex_rgb")
    for line in (first, second):
        assert float(line["psnr"]) == metrics(Path(line["folder"]))["test"]["psnr"]
        assert line["steps"] == "3"
    assert float(first["million_parameters"]) > float(second["million_parameters"])
    markdown = (out / "table.md").read_text()
    assert f"| two_functions | {float(second['psnr']):.2f} |" in markdown
    sheet = picture(out / "contact_sheet.png")
    render = picture(out / "runs" / "two_functions-seed0" / "test" / "view_000_render.png")
    other = picture(out / "runs" / "nex_rgb-seed0" / "test" / "view_000_render.png")
    (top, left), (other_top, other_left) = find(render, sheet), find(other, sheet)
    assert top == other_top
    assert left > other_left + WIDTH
    said = capsys.readouterr().out
    assert "two_functions, seed 0: trains\n" in said
    assert f"two_functions, seed 0: done, PSNR {float(second['psnr']):.2f}" in said

    trained.clear()
    assert compare() == 0
    assert trained == []
    assert table(out) == [first, second]
    assert "nex_rgb, seed 0: kept, PSNR" in capsys.readouterr().out


def test_what_changed_is_trained_anew_and_nothing_else(
    compare: Compare, trained: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compare()
    trained.clear()
    assert compare(rows=ROWS.replace("num_basis=2", "num_basis=3")) == 0
    assert trained == ["two_functions-seed0"]
    said = capsys.readouterr().out
    assert "two_functions, seed 0: trains anew, since of the stored run differs: config\n" in said

    trained.clear()
    (tmp_path / "out" / "runs" / "nex_rgb-seed0" / "fingerprint.json").unlink()
    compare(rows=ROWS.replace("num_basis=2", "num_basis=3"))
    assert trained == ["nex_rgb-seed0"]
    assert "nex_rgb, seed 0: goes on\n" in capsys.readouterr().out

    trained.clear()
    for name in ("fingerprint.json", "expected.json"):
        (tmp_path / "out" / "runs" / "nex_rgb-seed0" / name).unlink()
    compare(rows=ROWS.replace("num_basis=2", "num_basis=3"))
    assert trained == ["nex_rgb-seed0"]
    assert "nex_rgb, seed 0: trains anew, since the stored run isn't finished" in capsys.readouterr().out


def test_a_run_whose_sources_change_under_way_is_not_kept(
    compare: Compare, trained: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hashes = iter(["before", "after"])
    monkeypatch.setattr("normnex_pl.data.scene.fingerprint._sources", lambda package: next(hashes))
    assert compare(rows="rows: {nex_rgb: {variant: nex_rgb}}") == 0
    assert "nex_rgb, seed 0: will not be kept, since this changed meanwhile: commit" in (
        capsys.readouterr().out
    )


def test_a_failing_row_stops_no_other_and_is_named(
    compare: Compare, trained: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(rows="rows:" + BROKEN + "  nex_rgb: {variant: nex_rgb}") == 1
    assert trained == ["endless-seed0", "nex_rgb-seed0"]
    lines = {line["row"]: line for line in table(tmp_path / "out")}
    assert "trainer.max_steps, trainer.max_epochs: expected a limit" in lines["endless"]["failure"]
    assert "no_such_setting" in lines["misspelt"]["failure"]
    assert float(lines["nex_rgb"]["psnr"]) > 0
    markdown = (tmp_path / "out" / "table.md").read_text()
    assert "- endless, seed 0, failed: trainer.max_steps" in markdown
    assert "endless, seed 0: failed: trainer.max_steps" in capsys.readouterr().out


def test_seeds_are_runs_of_their_own(compare: Compare, trained: list[str], tmp_path: Path) -> None:
    assert compare("--seeds=0 3", rows="rows: {nex_rgb: {variant: nex_rgb}}") == 0
    assert trained == ["nex_rgb-seed0", "nex_rgb-seed3"]
    first, second = table(tmp_path / "out")
    assert (first["seed"], second["seed"]) == ("0", "3")
    assert first["psnr"] != second["psnr"]
    assert "PSNR s.d." in (tmp_path / "out" / "table.md").read_text()


def test_scenes_variants_presets_and_seeds_are_compared_at_once(
    scene: Path, trained: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("normnex_pl.data.scene.fingerprint._sources", lambda package: "sources")
    (tmp_path / "fern").symlink_to(scene)
    other = tmp_path / "short.yaml"
    other.write_text(f"inherits: {EXPERIMENTS / 'presets' / 'tiny.yaml'}\nrun: {{preset: short}}\n")
    out = tmp_path / "out"
    words = ["compare", str(scene), str(tmp_path / "fern"), "--variants=nex_rgb", f"--preset=tiny {other}"]
    words += ["--seeds=0 1", f"--out={out}", "--", *settings(scene)]
    assert status_of(*words) == 0
    assert len(trained) == 8
    rows = table(out)
    assert {(row["scene"], row["row"], row["seed"]) for row in rows} == {
        (where, name, seed)
        for where in ("desk", "fern")
        for name in ("nex_rgb-tiny", "nex_rgb-short")
        for seed in ("0", "1")
    }
    assert {Path(row["folder"]).relative_to(out / "runs").parts[0] for row in rows} == {"desk", "fern"}
    text = (out / "table.md").read_text()
    [line] = [
        line
        for line in text.split("PSNR:")[1].split("SSIM")[0].splitlines()
        if line.startswith("| nex_rgb-tiny ")
    ]
    shown = [float(cell) for cell in line.split("|")[2:-1]]
    means = [
        statistics.fmean(
            float(row["psnr"]) for row in rows if (row["scene"], row["row"]) == (where, "nex_rgb-tiny")
        )
        for where in ("desk", "fern")
    ]
    assert shown == pytest.approx([*means, statistics.fmean(means)], abs=0.0051)
    assert re.search(r"\*NeX, published \(undistorted photos\)\* +\| +- +\| +25\.63 +\| +- +\|", text)
    assert {run.scene for run in read_comparison(out)} == {"desk", "fern"}

    trained.clear()
    assert status_of(*words) == 0
    assert trained == []


def test_two_scenes_of_one_name_are_refused(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "desk").symlink_to(scene)
    message = failure(capsys, "compare", str(scene), str(tmp_path / "desk"), f"--out={tmp_path / 'out'}")
    assert "scenes: expected names of their own, found desk twice" in message


def test_a_run_whose_folder_has_gone_is_trained_again(
    compare: Compare, trained: list[str], tmp_path: Path
) -> None:
    compare()
    shutil.rmtree(tmp_path / "out" / "runs" / "two_functions-seed0")
    trained.clear()
    assert compare() == 0
    assert compare() == 0
    assert trained == ["two_functions-seed0"]


def test_a_run_has_a_process_of_its_own(
    compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Launch it without the replacement that the other tests use."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))  # without VGG16: LPIPS would take seconds,
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # and so would fetching it
    assert compare(rows="rows: {nex_rgb: {variant: nex_rgb}}") == 0
    (line,) = table(tmp_path / "out")
    assert float(line["psnr"]) > 0
    run = tmp_path / "out" / "runs" / "nex_rgb-seed0"
    assert (run / "fingerprint.json").is_file()
    assert "LPIPS is left out" in (run / "train.log").read_text()


def test_a_gpu_has_one_run_at_a_time(monkeypatch: pytest.MonkeyPatch, compare: Compare) -> None:
    used: list[str | None] = []

    def fail(words: Sequence[str], log: Path, gpu: str | None, lease: float) -> RunProcess:
        used.append(gpu)
        log.write_text("no more memory")
        return Over(1)

    monkeypatch.setattr(PROCESS, fail)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    assert compare("--seeds=0 1 2") == 1
    assert set(used) == {"4", "6"}
    assert len(used) == 6


@pytest.mark.parametrize(
    ("options", "rows", "message"),
    [
        (["--preset=huge"], ROWS, "tiny, found huge. Choose one."),
        (["--variants=nex_rbg"], ROWS, "found nex_rbg. Choose one."),
        (["--variants="], "rows: {}", "rows.yaml: expected `rows:`"),
        ([], "rows: {a b: {variant: nex_rgb}}", "row 'a b': expected letters"),
        ([], "rows: {a: {variant: nex_rgb, arg: []}}", "rows.yaml, row a: expected `variant: name`"),
        ([], "rows: {a: {variant: nex_rgb, args: --b}}", "rows.yaml, row a: expected `variant: name`"),
        ([], "rows: {a: {variant: nex_rgb, args: [--data.seed=1]}}", "--data.seed=1: expected other options"),
        ([], "rows: [", "rows.yaml: expected a YAML file of rows"),
        (["--variants=nex_rgb"], ROWS.replace("{variant: nex_rgb}", "{variant: b}"), "found nex_rgb twice"),
        (["--seeds="], ROWS, "expected at least one seed"),
        (["nowhere"], ROWS, "nowhere: expected a folder with a scene"),
    ],
)
def test_bad_input_is_told_in_one_message(
    compare: Compare, capsys: pytest.CaptureFixture[str], options: list[str], rows: str, message: str
) -> None:
    assert compare(*options, rows=rows) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ")


def test_a_folder_that_is_no_run_of_a_comparison_is_left_alone(
    compare: Compare, trained: list[str], tmp_path: Path
) -> None:
    precious = tmp_path / "out" / "runs" / "nex_rgb-seed0" / "thesis.txt"
    precious.parent.mkdir(parents=True)
    precious.touch()
    assert compare() == 1
    assert trained == ["two_functions-seed0"]
    assert precious.exists()


def test_all_variants_are_compared_unless_some_are_named() -> None:
    rows = chosen_rows(None, None)
    assert list(rows) == known("variants")
    assert next(iter(rows)) == "nex_rgb"
    assert chosen_rows(["nex_rgb"], None) == {"nex_rgb": Row("nex_rgb")}


def test_the_example_of_the_help_is_one(tmp_path: Path) -> None:
    example = (Options.__doc__ or "").partition("rows:")[2].partition("Attributes:")[0]
    (tmp_path / "rows.yaml").write_text("rows:" + example)
    rows = chosen_rows(None, tmp_path / "rows.yaml")
    assert rows["no_gradient_loss"] == Row("nex_rgb", ("--model.weights.gradient=0",))


def test_every_row_of_the_shipped_ablations_can_be_started(scene: Path, tmp_path: Path) -> None:
    words = [str(scene), f"--rows={EXPERIMENTS / 'ablations.yaml'}", f"--out={tmp_path}"]
    options = parse(Options, "normnex compare", words)
    rows = chosen_rows(options.variants, options.rows)
    specs = options.plan.runs_of(rows)
    assert len({spec.folder for spec in specs}) == len(specs) > 10
