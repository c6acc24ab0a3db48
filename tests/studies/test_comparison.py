"""Tables and the sheet of a comparison, from run folders made by hand."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from normnex_pl.core.errors import UserError
from normnex_pl.studies.comparison import COLUMNS, Run, csv_table, markdown_table, read_run
from normnex_pl.studies.comparison_pictures import comparison_sheet
from support.sheets import find

FULL = {
    "variant": "v",
    "preset": "tiny",
    "steps": 200,
    "train_seconds": 30.0,
    "peak_gpu_gib": 3.25,
    "num_parameters": 1_234_567,
    "num_outputs": 18,
    "stored_bytes": 12_340_000,
    "test": {
        "psnr": 23.456,
        "ssim": 0.78912,
        "lpips_vgg": 0.1236,
        "diffuse_psnr": 25.5,
        "highlight_psnr": 19.125,
        "normal_mae_deg": 7.86,
        "target_mae_deg": 9.24,
    },
    "specular_variation": {"true_std": 0.1, "std": 0.0426, "correlation": 0.317, "steady_std": 0.01},
    "views": [{"name": "first", "psnr": 23.456}],
    "commit": "abc-dirty",
}


def run(row: str, seed: int = 0, **metrics: Any) -> Run:
    return Run(row, seed, Path("runs") / f"{row}-seed{seed}", metrics)


def cells(line: str) -> list[str]:
    """Split a line of a Markdown table."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def table(runs: list[Run]) -> tuple[list[str], dict[str, list[str]]]:
    """Return the titles, and numbers by row, of the Markdown table."""
    lines = markdown_table(runs).split("\n\n")[0].strip().splitlines()
    return cells(lines[0])[1:], {cells(line)[0]: cells(line)[1:] for line in lines[2:]}


def test_a_row_by_hand() -> None:
    titles, rows = table([run("v", **FULL)])
    assert dict(zip(titles, rows["v"], strict=True)) == {
        "PSNR": "23.46",
        "SSIM": "0.789",
        "LPIPS": "0.124",
        "highlight PSNR": "19.12",
        "diffuse PSNR": "25.50",
        "diffuse PSNR, diffuse surfaces": "-",
        "s.d. of highlights over views": "0.043",
        "correlation with true highlights": "0.32",
        "normal error, objects (deg)": "7.9",
        "normal error, table (deg)": "-",
        "estimated normal error, objects (deg)": "9.2",
        "estimated normal error, table (deg)": "-",
        "predicted to estimated (deg)": "-",
        "PSNR, constant normals": "-",
        "outputs": "18",
        "MB": "12.3",
        "M parameters": "1.23",
        "seconds": "30",
        "ms a step": "150.0",
        "GiB": "3.2",
    }


def test_markdown_is_aligned_and_its_numbers_stand_to_the_right() -> None:
    text = markdown_table([run("a_long_name", **FULL), run("b", test={"psnr": 9.0})])
    lines = text.splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1].startswith("| ----------- | ----: |")
    assert lines[3].startswith("| b           |  9.00 |")


@pytest.mark.parametrize(
    "metrics",
    [{}, {"test": None}, {"test": {}}, {"test": {"psnr": None}, "steps": 0, "train_seconds": 1.0}],
    ids=str,
)
def test_what_is_missing_or_null_is_a_dash(metrics: dict[str, Any]) -> None:
    _, rows = table([run("old", **{"train_seconds": None, **metrics})])
    seconds = "-" if metrics.get("train_seconds") is None else "1"
    expected = [seconds if column.name == "train_seconds" else "-" for column in COLUMNS]
    assert rows["old"] == expected


def test_several_seeds_give_mean_and_deviation() -> None:
    psnr, seconds = [20.0, 21.5, 23.75], [10.0, 20.0, 60.0]
    runs = [
        run("v", seed, test={"psnr": value}, train_seconds=time, steps=100)
        for seed, (value, time) in enumerate(zip(psnr, seconds, strict=True))
    ]
    titles, rows = table(runs)
    found = dict(zip(titles, rows["v"], strict=True))
    assert found["PSNR"] == f"{np.mean(psnr):.2f}"
    assert found["PSNR s.d."] == f"{np.std(psnr, ddof=1):.2f}"
    assert found["seconds"] == f"{np.mean(seconds):.0f}"
    assert found["ms a step"] == f"{np.mean(seconds) * 10:.1f}"


def test_a_value_that_one_seed_lacks_has_no_mean() -> None:
    runs = [run("v", 0, test={"psnr": 20.0, "ssim": 0.5}), run("v", 1, test={"psnr": 21.0, "ssim": None})]
    titles, rows = table(runs)
    found = dict(zip(titles, rows["v"], strict=True))
    assert (found["PSNR"], found["SSIM"]) == ("20.50", "-")


def test_rows_keep_their_order_and_have_a_line_each() -> None:
    runs = [run(row, seed, test={"psnr": 20.0}) for row in ("b", "a") for seed in (0, 1)]
    assert list(table(runs)[1]) == ["b", "a"]


def test_what_failed_is_said_and_stays_out_of_the_mean() -> None:
    failed = Run("v", 1, Path("x"), {}, "out of memory")
    alone = Run("w", 0, Path("x"), {}, "no such file")
    titles, rows = table([run("v", 0, test={"psnr": 20.0}), failed, alone])
    assert dict(zip(titles, rows["v"], strict=True))["PSNR"] == "20.00"
    assert rows["w (failed)"] == ["-"] * (len(COLUMNS) + 1)
    notes = markdown_table([failed, alone]).split("\n\n")[1]
    assert notes == "- v, seed 1, failed: out of memory\n- w, seed 0, failed: no such file\n"


def test_csv_has_a_line_a_run_with_all_digits() -> None:
    exact = {**FULL, "test": {"psnr": 1 / 3, "ssim": np.nextafter(0.5, 1).item()}}
    failed = Run("v", 2, Path("x"), {}, 'a, "quoted" reason')
    lines = list(csv.DictReader(io.StringIO(csv_table([run("v", 1, **exact), failed]))))
    first, second = lines
    assert (float(first["psnr"]), float(first["ssim"])) == (1 / 3, np.nextafter(0.5, 1).item())
    assert (first["row"], first["seed"], first["commit"]) == ("v", "1", "abc-dirty")
    assert Path(first["folder"]) == Path("runs/v-seed1")
    assert (float(first["million_parameters"]), first["steps"]) == (pytest.approx(1.234567), "200")
    assert (first["lpips_vgg"], first["failure"]) == ("", "")
    assert (second["failure"], second["psnr"], second["seed"]) == ('a, "quoted" reason', "", "2")


def test_a_run_without_readable_scores_is_refused(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text("{")
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match=r"metrics\.json: expected the scores"):
            read_run("v", 0, folder)


def stored(folder: Path, row: str, seed: int, colour: int, size: tuple[int, int] = (60, 40)) -> Run:
    """Return a run folder whose render and error are of one colour each."""
    path = folder / f"{row}-seed{seed}"
    (path / "test").mkdir(parents=True)
    for component, value in (("render", colour), ("error", colour + 1), ("truth", 7)):
        picture = Image.new("RGB", size, (value, value, value))
        picture.save(path / "test" / f"first_{component}.png")
    (path / "metrics.json").write_text(json.dumps(FULL))
    return read_run(row, seed, path)


def test_the_sheet_shows_photo_renders_and_errors(tmp_path: Path) -> None:
    runs = [
        stored(tmp_path, "a", 0, 50),
        stored(tmp_path, "a", 1, 60),  # another seed of a row has no column
        Run("broken", 0, tmp_path / "x", {}, "reason"),
        run("without_pictures", **FULL),
        stored(tmp_path, "b", 0, 70, size=(30, 20)),  # enlarged to the size of the photo
    ]
    sheet = comparison_sheet(runs)
    assert sheet is not None
    tops, lefts = set(), set()
    for row, values in enumerate(((7, 50, 70), (None, 51, 71))):
        for column, value in enumerate(values):
            if value is not None:
                top, left = find(np.full((40, 60, 3), value, np.uint8), sheet)
                tops.add((row, top))
                lefts.add((column, left))
    assert len(tops) == 2
    assert len(lefts) == 3
    assert [top for _, top in sorted(tops)] == sorted(top for _, top in tops)
    assert [left for _, left in sorted(lefts)] == sorted(left for _, left in lefts)
    below_the_photo = slice(max(tops)[1], max(tops)[1] + 40), slice(min(lefts)[1], min(lefts)[1] + 60)
    assert (sheet[below_the_photo] == 255).all()


def test_without_pictures_there_is_no_sheet() -> None:
    assert comparison_sheet([run("a", **FULL), run("b"), Run("c", 0, Path("x"), {}, "reason")]) is None
