"""``normnex test`` and ``normnex validate`` on run folders."""

from __future__ import annotations

import re
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from cli.helpers import HEIGHT, HELD_OUT, ROOT, WIDTH, evaluate, failure, metrics, scalars, small
from normnex_pl.cli.main import main
from normnex_pl.core.errors import UserError
from normnex_pl.training.trained_run import load_module, read_run


@pytest.fixture(scope="module")
def true_scene(scene: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the scene of the runs to a folder of the same name, with ground truth of its held-out views."""
    folder = shutil.copytree(scene, tmp_path_factory.mktemp("true") / scene.name)
    (folder / "truth").mkdir()
    for name in HELD_OUT:
        with np.load(ROOT / "scenes" / "demo" / "truth" / f"{name}.npz", allow_pickle=False) as stored:
            height, width = stored["mask"].shape
            rows, columns = np.arange(HEIGHT) * height // HEIGHT, np.arange(WIDTH) * width // WIDTH
            small_ones = {key: stored[key][rows[:, None], columns] for key in stored.files}
        np.savez(folder / "truth" / f"{name}.npz", **small_ones)
    return folder


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


def test_a_scene_with_truth_is_scored_by_it(
    run: Path, true_scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(run, tmp_path / "run")
    summary = evaluate(folder, f"--data.scene={true_scene}")
    truths = [view["truth"] for view in summary["views"]]
    for score in ("diffuse_psnr", "highlight_psnr"):
        assert summary["test"][score] == pytest.approx(np.mean([truth[score] for truth in truths]))
        assert 3 < summary["test"][score] < 40
    for truth in truths:
        assert truth["normals"] is truth["target_normals"] is None  # this model has no normals
        assert 60 < truth["normals_constant"]["table"]["mean"] < 80  # seen from above
        assert truth["normals_constant"]["wall"]["mean"] < 20
        assert set(truth["normals_viewdir"]) == {"all", "objects", "mirror", "table", "wall"}
    assert summary["test"]["normal_mae_deg"] is summary["test"]["target_mae_deg"] is None
    shown = capsys.readouterr().out
    assert f"diffuse PSNR {summary['test']['diffuse_psnr']:.2f} dB" in shown
    assert "constant (0, 0, -1)" in shown


def test_predicted_and_estimated_normals_are_scored(true_scene: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    more = (f"--run.folder={folder}", "--trainer.max_steps=2")
    main(["fit", *small(true_scene, *more, variant="normnex_density")])
    summary = metrics(folder)
    truths = [view["truth"] for view in summary["views"]]
    for score, key, region in (
        ("normal_mae_deg", "normals", "objects"),
        ("normal_mae_deg_table", "normals", "table"),
        ("normal_mae_deg_mirror", "normals", "mirror"),
        ("normal_mae_deg_wall", "normals", "wall"),
        ("target_mae_deg", "target_normals", "objects"),
        ("target_mae_deg_table", "target_normals", "table"),
    ):
        means = [truth[key][region]["mean"] for truth in truths]
        assert summary["test"][score] == pytest.approx(np.mean(means))
        assert 0 < summary["test"][score] < 180


def test_a_bad_truth_is_refused_before_the_training(
    true_scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = shutil.copytree(true_scene, tmp_path / "broken")
    path = broken / "truth" / f"{HELD_OUT[-1]}.npz"
    path.write_bytes(b"nothing")
    folder = tmp_path / "run"
    message = failure(capsys, "fit", *small(broken, f"--run.folder={folder}"))
    assert message.startswith(f"{path}: expected a NumPy archive")
    assert not (folder / "checkpoints").exists()


def test_truth_about_larger_photos_is_left_out_with_a_warning(
    run: Path, true_scene: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Simulate loading the shipped scene at another width than its own."""
    scene = shutil.copytree(true_scene, tmp_path / true_scene.name)
    shutil.copytree(ROOT / "scenes" / "demo" / "truth", scene / "truth", dirs_exist_ok=True)
    summary = evaluate(shutil.copytree(run, tmp_path / "run"), f"--data.scene={scene}")
    assert [view["truth"] for view in summary["views"]] == [None, None]
    assert summary["test"]["diffuse_psnr"] is None
    [warning] = [record.message for record in caplog.records if "truth" in record.message]
    assert "expected the truth about photos of 40x30 pixels" in warning
    assert "found 504x378" in warning


def older(run: Path, folder: Path) -> Path:
    """Copy a run as an older version left it: other names in the configuration and in the checkpoint."""
    shutil.copytree(run, folder)
    config = folder / "config.yaml"
    text = config.read_text(encoding="utf-8")
    assert "eval_chunk_size" in text
    config.write_text(text.replace("eval_chunk_size", "chunk"), encoding="utf-8")
    path = folder / "checkpoints" / "last.ckpt"
    content = torch.load(path, weights_only=True)
    content["hyper_parameters"]["chunk"] = content["hyper_parameters"].pop("eval_chunk_size")
    torch.save(content, path)
    return folder


def test_a_run_of_an_older_version_ends_every_command_with_one_message(
    run: Path, scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = older(run, tmp_path / "old")
    said = "found those of another version (model.chunk is now model.eval_chunk_size). Train again"
    stored = ["-c", str(folder / "config.yaml"), f"--run.folder={folder}"]
    for words in (["test", *stored], ["fit", *stored], ["fit", *small(scene, f"--run.folder={folder}")]):
        message = failure(capsys, *words)
        assert message.startswith(f"{folder / 'config.yaml'}: expected settings of normnex_pl")
        assert said in message
        assert "\n" not in message
    for read in (partial(read_run, folder, None), partial(load_module, folder)):
        with pytest.raises(UserError, match=re.escape(said)):
            read(torch.device("cpu"))


def test_settings_that_only_another_version_has_are_named_when_a_run_is_read(
    run: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(run, tmp_path / "old")
    path = folder / "config.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("\ndata:\n", "\ndata:\n  shutter: 1\n"), encoding="utf-8"
    )
    with pytest.raises(UserError, match=r"config.yaml: expected settings of normnex_pl .*shutter"):
        read_run(folder, None, torch.device("cpu"))
    shutil.copy(run / "config.yaml", path)
    checkpoint = folder / "checkpoints" / "last.ckpt"
    content = torch.load(checkpoint, weights_only=True)
    for part, name in (("hyper_parameters", "shutter"), ("state_dict", "mpi.shutter")):
        torch.save(content | {part: content[part] | {name: 1}}, checkpoint)
        with pytest.raises(UserError, match=r"last.ckpt: expected settings of normnex_pl .*shutter"):
            read_run(folder, None, torch.device("cpu"))
