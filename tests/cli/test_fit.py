"""The files that ``normnex fit`` leaves in a run folder, and that it has learned something."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from torch.testing import assert_close

from cli.helpers import (
    HEIGHT,
    HELD_OUT,
    NUM_TRAINING_VIEWS,
    WIDTH,
    checkpoint,
    fit,
    metrics,
    picture,
    scalars,
    small,
    tensors,
)
from normnex_pl.cli.main import main
from normnex_pl.data.datamodule import SceneDataModule
from normnex_pl.evaluation.pictures.colors import to_bytes
from normnex_pl.training.initialization import PlaneSweep
from normnex_pl.training.module import NormNeXModule

COMPONENTS = tuple(
    f"{HELD_OUT[0]}_{kind}"
    for kind in (
        *("render", "photo", "error", "diffuse", "specular", "acc", "disparity", "depth"),  # no more in NeX
        "components",
    )
)
SCORES = (
    *("psnr", "ssim", "ssim_nex", "lpips_vgg"),
    *("psnr_aligned", "ssim_aligned", "psnr_flat_normals", "normal_target_deg"),
)
TRUTH_SCORES = (
    "diffuse_psnr",
    "diffuse_psnr_lobe",
    "darkest_photos_diffuse_psnr_lobe",
    "highlight_psnr",
    "normal_mae_deg",
    "normal_mae_deg_table",
    "normal_mae_deg_mirror",
    "normal_mae_deg_wall",
    "target_mae_deg",
    "target_mae_deg_table",
)


def test_a_run_folder_holds_these_files_and_no_others(run: Path) -> None:
    pictures = {f"test/{view}_{kind}.png" for view in HELD_OUT for kind in ("render", "truth", "error")}
    pictures |= {f"components/step_000006/{name}.png" for name in (*COMPONENTS, "mpi_sheet")}
    expected = {"config.yaml", "checkpoints/last.ckpt", "metrics.csv", "metrics.json", "planes.txt"}
    expected |= {"scene.json"}
    found = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert found == expected | pictures | {"test/contact_sheet.png"}


def test_the_default_folder_is_named_after_scene_variant_and_preset(
    scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    main(["fit", *small(scene, "--trainer.max_steps=1")])
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    assert (tmp_path / "runs" / "desk" / "nex_rgb-tiny" / "metrics.json").is_file()


def test_the_stored_configuration_is_complete(run: Path) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    assert config["seed_everything"] == 0
    assert config["trainer"]["max_steps"] == 6
    assert config["data"]["rays_per_step"] == 60
    assert config["model"]["basis"]["init_args"]["octaves"] == 3  # a default, stated nowhere else
    assert config["run"] | {"root": "", "folder": ""} == {
        "root": "",
        "variant": "nex_rgb",
        "preset": "tiny",
        "folder": "",
    }


def test_scalars_are_finite_numbers_of_each_step(run: Path) -> None:
    rows = scalars(run)
    losses = {"loss/mse", "loss/gradient", "loss/tv_base_color", "loss/total"}
    assert set(rows[0]) == {"step", "epoch", "train/psnr"} | losses
    assert [int(row["step"]) for row in rows] == list(range(6))
    assert all(math.isfinite(float(value)) for row in rows for value in row.values())


def test_the_total_loss_is_the_weighted_sum(run: Path) -> None:
    weights = checkpoint(run)["hyper_parameters"]["weights"]
    for row in scalars(run):
        parts = [
            weights[key.removeprefix("loss/")] * float(row[key])
            for key in row
            if key.startswith("loss/") and key != "loss/total"
        ]
        assert float(row["loss/total"]) == pytest.approx(sum(parts), rel=1e-5)
        assert float(row["train/psnr"]) == pytest.approx(-10 * math.log10(float(row["loss/mse"])), rel=1e-4)


def test_metrics_have_exactly_the_documented_keys(run: Path) -> None:
    summary = metrics(run)
    assert list(summary) == [
        "scene",
        "variant",
        "preset",
        "steps",
        "ranks",
        "train_seconds",
        "rays_per_second",
        "peak_gpu_gib",
        "num_parameters",
        "num_outputs",
        "stored_bytes",
        "learns_exposures",
        "test",
        "views",
        "versions",
        "commit",
        "specular_variation",
    ]
    assert tuple(summary["test"]) == (*SCORES, *TRUTH_SCORES)
    assert all(tuple(view) == ("name", *SCORES, "masked", "truth") for view in summary["views"])
    assert {"python", "normnex_pl", "torch", "pytorch-lightning", "torchmetrics", "numpy"} == set(
        summary["versions"]
    )


def test_metrics_say_what_was_trained(run: Path) -> None:
    summary = metrics(run)
    assert (summary["scene"], summary["variant"], summary["preset"]) == ("desk", "nex_rgb", "tiny")
    assert summary["steps"] == 6
    assert summary["train_seconds"] > 0
    rays = summary["rays_per_second"] * summary["train_seconds"]
    assert rays == pytest.approx(6 * 60, rel=0.01)
    assert summary["peak_gpu_gib"] is None
    parameters = [value for name, value in tensors(run).items() if name != "mpi.gate"]
    assert summary["num_parameters"] == sum(value.numel() for value in parameters)
    assert summary["num_outputs"] == 28  # the NeX paper's 1 + 3 + 3 x 8
    module = NormNeXModule.load_from_checkpoint(
        run / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=True
    )
    assert summary["stored_bytes"] == module.mpi.stored_bytes
    assert [view["name"] for view in summary["views"]] == list(HELD_OUT)


def test_scores_of_the_test_are_the_means_of_the_views(run: Path) -> None:
    summary = metrics(run)
    for score in ("psnr", "ssim", "ssim_nex"):
        values = [view[score] for view in summary["views"]]
        assert summary["test"][score] == pytest.approx(np.mean(values), rel=1e-6)


def test_a_score_that_cannot_be_had_is_null(run: Path) -> None:
    summary = metrics(run)
    assert [view["lpips_vgg"] for view in summary["views"]] == [None, None]
    assert summary["test"]["lpips_vgg"] is None
    assert [view["truth"] for view in summary["views"]] == [None, None]
    assert {summary["test"][score] for score in TRUTH_SCORES} == {None}


def test_pictures_have_the_size_of_the_photos_and_truths_equal_them(run: Path, scene: Path) -> None:
    for view in HELD_OUT:
        photo = picture(scene / "images" / f"{view}.png")
        assert photo.shape == (HEIGHT, WIDTH, 3)
        np.testing.assert_array_equal(picture(run / "test" / f"{view}_truth.png"), photo)
        assert picture(run / "test" / f"{view}_render.png").shape == photo.shape
        assert picture(run / "test" / f"{view}_error.png").shape == photo.shape
    sheet = picture(run / "test" / "contact_sheet.png")
    assert sheet.shape[0] > len(HELD_OUT) * HEIGHT
    assert sheet.shape[1] > 3 * WIDTH


def test_psnr_can_be_recomputed_from_the_pictures(run: Path) -> None:
    for view in metrics(run)["views"]:
        render, truth = (picture(run / "test" / f"{view['name']}_{kind}.png") for kind in ("render", "truth"))
        psnr = -10 * math.log10(np.square(render - truth).mean())
        assert psnr == pytest.approx(view["psnr"], abs=0.02)  # pictures are rounded to bytes


def test_a_checkpoint_alone_renders_the_stored_pictures(run: Path, scene: Path, tmp_path: Path) -> None:
    """Render without the photos: only the cameras are taken from the scene, which is then deleted."""
    copied = shutil.copytree(scene, tmp_path / scene.name)
    views = {view.name: view for view in SceneDataModule(copied, WIDTH).scene.views}
    folder = fit(copied, tmp_path / "run", "--trainer.max_steps=2")
    shutil.rmtree(copied)
    moved = folder.rename(tmp_path / "elsewhere")
    path = moved / "checkpoints" / "last.ckpt"
    module = NormNeXModule.load_from_checkpoint(path, map_location="cpu", weights_only=True).eval()
    assert module.record.steps == 2
    for name in HELD_OUT:
        rendered = to_bytes(module.mpi.render_image(views[name].camera)["rgb"]) / 255
        stored = picture(moved / "test" / f"{name}_render.png")
        np.testing.assert_allclose(rendered, stored, atol=1.01 / 255)


def test_training_learns_what_the_scene_looks_like(scene: Path, tmp_path: Path) -> None:
    start = "--initialization=normnex_pl.training.initialization.RandomStart"  # a sweep knows much already
    more = ("--data.rays_per_step=300", "--model.num_layers=4", start)
    before = metrics(fit(scene, tmp_path / "before", "--trainer.max_steps=1", *more))
    folder = fit(scene, tmp_path / "after", "--trainer.max_steps=80", *more)
    assert metrics(folder)["test"]["psnr"] > before["test"]["psnr"] + 5
    losses = [float(row["loss/total"]) for row in scalars(folder)]
    assert np.mean(losses[-10:]) < 0.4 * np.mean(losses[:5])


def test_an_epoch_has_as_many_steps_as_training_views(scene: Path, tmp_path: Path) -> None:
    folder = fit(scene, tmp_path, "--trainer.max_steps=-1", "--trainer.max_epochs=2")
    assert metrics(folder)["steps"] == 2 * NUM_TRAINING_VIEWS


def test_validation_views_are_scored_while_training(scene: Path, tmp_path: Path) -> None:
    more = ("--data.num_validation_views=2", "--trainer.check_val_every_n_epoch=1")
    folder = fit(scene, tmp_path, *more, "--trainer.max_steps=7")
    scored = [row for row in scalars(folder) if row["val/psnr"]]
    assert [int(row["step"]) for row in scored] == [5]  # six views are left for an epoch
    assert 3 < float(scored[0]["val/psnr"]) < 40


def test_a_plain_run_shows_its_scores_and_nothing_foreign(scene: Path, tmp_path: Path) -> None:
    """Start it as a user does: in a separate process, with that process's loggers and warnings."""
    command = [sys.executable, "-m", "normnex_pl", "fit", *small(scene, f"--run.folder={tmp_path / 'run'}")]
    more = ["--trainer.log_every_n_steps=50", "--trainer.check_val_every_n_epoch=1", "--trainer.max_steps=9"]
    # No perceptual network, and no way to fetch one.
    environment = os.environ | {
        "TORCH_HOME": str(tmp_path),
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        command + more, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert all(view in done.stdout for view in HELD_OUT)
    assert str(tmp_path / "run" / "metrics.json") in done.stdout
    for noise in (
        "Tip:",
        "deprecated",
        "Warning",
        "weights_only",
        "logging interval",
        "Total length",
        "site-packages",
    ):
        assert noise not in done.stderr


def test_training_starts_from_the_sweep_that_the_preset_asks_for(scene: Path, tmp_path: Path) -> None:
    still = ["--trainer.max_steps=1"]
    groups = ("alpha", "base_color", "features", "basis")
    still += [f"--model.optimizer.learning_rates.{group}=0" for group in groups]
    random = "--initialization=normnex_pl.training.initialization.RandomStart"
    grey = tensors(fit(scene, tmp_path / "grey", *still, random))
    swept = tensors(fit(scene, tmp_path / "swept", *still))
    assert metrics(tmp_path / "swept")["train_seconds"] > 0

    data = SceneDataModule(scene, width=WIDTH)
    model = NormNeXModule.load_from_checkpoint(tmp_path / "grey" / "checkpoints" / "last.ckpt")
    PlaneSweep()(model.mpi, [data.scene.views[i] for i in data.train_views])
    for name, value in grey.items():
        if name == "mpi.field.base_color.raw":
            assert (swept[name] - value).abs().mean() > 0.2
            assert_close(swept[name], model.state_dict()[name].cpu(), atol=1e-5, rtol=0)
        else:
            assert_close(swept[name], value, atol=0, rtol=0)
