"""``normnex test`` and ``normnex validate`` on run folders."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cli.helpers import evaluate, failure, metrics, scalars, small
from normnex_pl.cli import main


def test_evaluating_again_reproduces_the_scores(run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run, tmp_path / "copy")
    (folder / "metrics.json").unlink()
    shutil.rmtree(folder / "test")
    again, before = evaluate(folder), metrics(run)
    for view, expected in zip(again["views"], before["views"], strict=True):
        assert view["name"] == expected["name"]
        assert view["psnr"] == pytest.approx(expected["psnr"], abs=1e-4)
        assert view["ssim"] == pytest.approx(expected["ssim"], abs=1e-5)
    kept = ("scene", "variant", "preset", "steps", "train_seconds", "rays_per_second", "num_parameters")
    assert {key: again[key] for key in kept} == {key: before[key] for key in kept}
    assert {path.name for path in folder.rglob("*")} == {path.name for path in run.rglob("*")}


def test_a_run_and_its_scene_may_move(run: Path, scene: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run, tmp_path / "moved" / "run")
    moved = shutil.copytree(scene, tmp_path / "moved" / "scene")
    config = folder / "config.yaml"
    # As if neither was where it had been.
    text = config.read_text(encoding="utf-8")
    assert str(scene) in text
    config.write_text(
        text.replace(str(scene), "/gone/scene").replace(str(run), "/gone/run"), encoding="utf-8"
    )
    again = evaluate(folder, f"--data.scene={moved}")
    assert again["test"]["psnr"] == pytest.approx(metrics(run)["test"]["psnr"], abs=1e-4)


@pytest.mark.parametrize("subcommand", ["test", "validate"])
def test_without_a_checkpoint_there_is_nothing_to_evaluate(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], subcommand: str
) -> None:
    message = failure(
        capsys,
        subcommand,
        *small(scene, f"--run.folder={tmp_path / 'none'}", "--data.num_validation_views=1"),
    )
    assert str(tmp_path / "none" / "checkpoints" / "last.ckpt") in message
    assert "expected the checkpoint of a trained run, found none" in message
    assert not (tmp_path / "none").exists()


def test_validation_scores_training_views_and_keeps_the_scalars(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(run, tmp_path / "copy")
    before = scalars(folder)
    arguments = ["-c", str(folder / "config.yaml"), f"--run.folder={folder}", "--data.num_validation_views=2"]
    main(["validate", *arguments])
    assert "val/psnr" in capsys.readouterr().out
    assert scalars(folder) == before


def test_validating_on_no_view_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = failure(capsys, "validate", "-c", str(run / "config.yaml"), f"--run.folder={run}")
    assert "data.num_validation_views" in message


def test_evaluating_changes_neither_weights_nor_scalars(run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run, tmp_path / "copy")
    evaluate(folder)
    for name in ("metrics.csv", "config.yaml", "checkpoints/last.ckpt"):
        assert (folder / name).read_bytes() == (run / name).read_bytes()


@pytest.mark.parametrize("subcommand", ["test", "fit"])
def test_weights_of_another_scene_are_refused(
    run: Path, scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], subcommand: str
) -> None:
    folder = shutil.copytree(run, tmp_path / "run")
    other = shutil.copytree(scene, tmp_path / "other")
    (other / "planes.txt").write_text("1.5 70 1\n")
    arguments = ["-c", str(folder / "config.yaml"), f"--run.folder={folder}", f"--data.scene={other}"]
    message = failure(capsys, subcommand, *arguments)
    assert "last.ckpt" in message
    assert "geometry.far" in message
    assert metrics(folder) == metrics(run)


def test_mixed_precision_does_not_move_the_pictures(run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run, tmp_path / "run")
    again = evaluate(folder, "--trainer.precision=bf16-mixed")
    assert again["test"]["psnr"] == pytest.approx(metrics(run)["test"]["psnr"], abs=0.02)
