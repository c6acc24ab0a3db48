"""The log of numbers, through interruptions."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from normnex_pl.training.loggers.metrics_csv import MetricsCSV, read_history


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "metrics.csv"


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def log(path: Path, *rows: tuple[int, dict[str, float]]) -> None:
    logger = MetricsCSV(path)
    for step, values in rows:
        logger.log_metrics(values, step)
    logger.finalize("success")


def test_rows_are_steps_and_columns_are_metrics(path: Path) -> None:
    log(path, (0, {"loss": 0.5}), (10, {"loss": 0.25}))
    assert read(path) == [{"step": "0", "loss": "0.5"}, {"step": "10", "loss": "0.25"}]


def test_metrics_of_one_step_share_a_row(path: Path) -> None:
    log(path, (5, {"loss": 0.5}), (5, {"psnr": 20.0}), (6, {"loss": 0.4}))
    assert read(path) == [
        {"step": "5", "loss": "0.5", "psnr": "20.0"},
        {"step": "6", "loss": "0.4", "psnr": ""},
    ]


def test_a_new_metric_becomes_a_new_column(path: Path) -> None:
    log(path, (1, {"loss": 0.5}), (2, {"val/psnr": 21.0}))
    assert list(read(path)[0]) == ["step", "loss", "val/psnr"]
    assert read(path)[0]["val/psnr"] == ""
    assert read(path)[1] == {"step": "2", "loss": "", "val/psnr": "21.0"}


def test_a_resumed_run_goes_on_in_the_file(path: Path) -> None:
    log(path, (10, {"loss": 0.5}), (20, {"loss": 0.4, "psnr": 20.0}))
    log(path, (30, {"loss": 0.3, "other": 1.0}))
    assert read(path) == [
        {"step": "10", "loss": "0.5", "psnr": "", "other": ""},
        {"step": "20", "loss": "0.4", "psnr": "20.0", "other": ""},
        {"step": "30", "loss": "0.3", "psnr": "", "other": "1.0"},
    ]


def test_a_resumed_run_drops_what_came_after_its_checkpoint(path: Path) -> None:
    log(path, (10, {"loss": 0.5}), (20, {"loss": 0.4}), (30, {"loss": 0.3}), (40, {"loss": 0.2}))
    log(path, (20, {"loss": 0.41}))
    assert read(path) == [{"step": "10", "loss": "0.5"}, {"step": "20", "loss": "0.41"}]


def test_a_step_of_zero_keeps_its_place_after_resuming(path: Path) -> None:
    log(path, (0, {"loss": 0.0}))
    log(path, (1, {"loss": 0.1}))
    assert read(path) == [{"step": "0", "loss": "0.0"}, {"step": "1", "loss": "0.1"}]


def test_opening_a_log_changes_nothing(path: Path) -> None:
    log(path, (10, {"loss": 0.5}))
    before = path.read_bytes()
    MetricsCSV(path).finalize("success")
    assert path.read_bytes() == before


def test_without_metrics_there_is_no_file(path: Path) -> None:
    log(path)
    assert not path.exists()


def test_rows_are_written_every_so_often_and_at_the_end(path: Path) -> None:
    logger = MetricsCSV(path, flush_every=3)
    lengths = []
    for step in range(7):
        logger.log_metrics({"loss": 1.0}, step)
        lengths.append(len(read(path)) if path.exists() else 0)
    assert lengths == [0, 0, 3, 3, 3, 6, 6]
    logger.finalize("failed")
    assert len(read(path)) == 7


def test_the_logger_is_named_after_the_run(path: Path) -> None:
    logger = MetricsCSV(path)
    assert (logger.name, logger.save_dir) == ("run", str(path.parent))


def test_the_history_of_a_metric_is_its_rows(path: Path) -> None:
    assert read_history(path, "val/psnr") == []
    log(path, (1, {"loss": 0.5}), (2, {"val/psnr": 21.0}), (3, {"loss": 0.5, "val/psnr": 22.5}))
    assert read_history(path, "val/psnr") == [(2, 21.0), (3, 22.5)]
    assert read_history(path, "no/such") == []
