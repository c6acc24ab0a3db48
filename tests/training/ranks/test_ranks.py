"""Two real ranks: the same model to the last bit, through the diffuse phase, a stop and an evaluation."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch

from cli.helpers import (
    EXPERIMENTS,
    HELD_OUT,
    ROOT,
    WIDTH,
    checkpoint,
    evaluate,
    fit,
    metrics,
    scalars,
    small,
    tensors,
)
from cli.wandb_files import offline_runs
from normnex_pl.cli.main import main
from normnex_pl.core.errors import STOPPED
from normnex_pl.core.types import RayBatch
from normnex_pl.data.datamodule import SceneDataModule
from normnex_pl.training.ranks import digest
from support.ports import free_port
from training.ranks.ranks import THEN, Disturber, Signaller, Validated, callback, environment, run_on_ranks
from training.ranks.runs import (
    DIFFUSE,
    PRESET,
    RAYS,
    STEPS,
    VARIANT,
    Straight,
    arguments,
    assert_same_weights,
    options,
    witnessed,
)

pytestmark = pytest.mark.slow
TOLD_AT, STOPS_AT = 13, 20  # they ask each other every 20 steps


def test_two_ranks_end_with_the_same_weights_after_the_same_diffuse_phase(straight: Straight) -> None:
    first, second = witnessed(straight.folder)
    assert first["gates"] == second["gates"]
    assert first["gates"] == {step: float(step > DIFFUSE) for step in range(1, STEPS + 1)}
    assert_same_weights(second["weights"], first["weights"])
    assert first["weights"]["field.features"].abs().max() > 0


def test_each_rank_sees_its_own_rays_of_the_one_seed(straight: Straight, scene: Path) -> None:
    data = SceneDataModule(scene, width=WIDTH, rays_per_step=RAYS)
    for rank, seen in enumerate(witnessed(straight.folder)):
        drawn = {
            step + 1: int(digest(data.draw_rays(step, rank, torch.device("cpu")).rays.directions))
            for step in range(STEPS)
        }
        assert seen["rays"] == drawn
    everything = Counter(value for seen in witnessed(straight.folder) for value in seen["rays"].values())
    assert set(everything.values()) == {1}


def test_the_first_rank_alone_says_what_a_step_is_and_writes(straight: Straight) -> None:
    said = f"2 ranks: {RAYS} rays a step on each, {2 * RAYS} in all."
    assert straight.stderr.count(said) == 1
    assert straight.stderr.count("INFO photos:") == 1
    findings = [line for line in straight.stderr.splitlines() if line.startswith("WARNING desk:")]
    assert len(findings) == len(set(findings)) > 0
    run = straight.folder / "run"
    found = metrics(run)
    assert (found["ranks"], found["steps"]) == (2, STEPS)
    # To a tenth of a ray a second, and seconds to a thousandth.
    rays = found["rays_per_second"] * found["train_seconds"]
    assert rays == pytest.approx(STEPS * 2 * RAYS, rel=0.01)
    assert [int(row["step"]) for row in scalars(run) if row["loss/mse"]] == list(range(3, STEPS, 4))
    assert len(list((run / "components").glob("step_*"))) == 1


def test_the_evaluation_of_two_ranks_is_that_of_one(straight: Straight, tmp_path: Path) -> None:
    """Each has evaluated one of the two held-out views."""
    run = straight.folder / "run"
    copy = shutil.copytree(run, tmp_path / "run")
    shutil.rmtree(copy / "test")
    again = evaluate(copy, "--trainer.devices=1", "--trainer.strategy=auto")
    before = metrics(run)
    assert [view["name"] for view in before["views"]] == list(HELD_OUT)
    # Somebody may commit meanwhile.
    assert {**again, "commit": None} == {**before, "commit": None}
    pictures = {path.name: path.read_bytes() for path in (copy / "test").iterdir()}
    assert pictures == {path.name: path.read_bytes() for path in (run / "test").iterdir()}


def test_two_ranks_share_the_validation_views_and_say_what_one_says(scene: Path, tmp_path: Path) -> None:
    """Share three views as two and one, and a single view as one and none."""
    words = arguments(scene, tmp_path, callback(Validated, folder=str(tmp_path)))
    words += ["--after_fit=validate", "--trainer.max_steps=4", "--data.num_validation_views=3"]
    (tmp_path / "single").mkdir()
    single = arguments(scene, tmp_path / "single", callback(Validated, folder=str(tmp_path / "single")))
    single += ["--after_fit=validate", "--trainer.max_steps=4", "--data.num_validation_views=1"]
    both = ["--trainer.devices=2"]
    done = run_on_ranks(["fit", *words, *both, THEN, "fit", *single, *both])
    assert done.returncode == 0, done.stderr
    for folder, count in ((tmp_path, 3), (tmp_path / "single", 1)):
        path = folder / "run" / "validation.json"
        of_two = path.read_bytes()
        names = [view["name"] for view in json.loads(of_two)["views"]]
        assert len(names) == count
        for rank in range(min(2, count)):
            assert (folder / f"validated{rank}.txt").read_text().split() == names[rank::2]
        (row,) = [row for row in scalars(folder / "run") if row["val/psnr"]]
        assert float(row["val/psnr"]) == pytest.approx(json.loads(of_two)["psnr"], rel=1e-6)
        path.unlink()
        config = ["-c", str(folder / "run" / "config.yaml"), "--trainer.callbacks=null"]
        main(["validate", *config, "--trainer.devices=1", "--trainer.strategy=auto"])
        assert path.read_bytes() == of_two
    assert not (tmp_path / "single" / "validated1.txt").exists()


def test_a_run_stopped_on_one_rank_goes_on_as_if_nothing_had_happened(
    straight: Straight, scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop torchrun in the diffuse phase by a signal to rank 1, then resume with Lightning: one W&B run."""
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("WANDB_MODE", "offline")
    wandb = ["-c", str(EXPERIMENTS / "loggers" / "wandb.yaml")]
    words = [*wandb, *options(tmp_path, callback(Signaller, rank=1, step=TOLD_AT))]
    settings = {"SCENE": str(scene), "VARIANT": VARIANT, "PRESET": PRESET, "GPUS": "2"}
    done = subprocess.run(
        [str(EXPERIMENTS / "cluster" / "torchrun.sh"), *words],
        env=environment() | settings | {"PYTHON": sys.executable, "PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode != 0
    assert done.stderr.count(f"Stopped by another rank at step {STOPS_AT}; ") == 1, done.stderr
    stopped = checkpoint(tmp_path / "run")
    assert stopped["global_step"] == STOPS_AT
    assert stopped["state_dict"]["mpi.gate"] == 0
    assert not (tmp_path / "run" / "metrics.json").exists()

    done = run_on_ranks(["fit", *arguments(scene, tmp_path), *wandb, "--trainer.devices=2"])
    assert done.returncode == 0, done.stderr
    for found, expected in zip(witnessed(tmp_path), witnessed(straight.folder), strict=True):
        later = range(STOPS_AT + 1, STEPS + 1)
        for name in ("gates", "rays"):
            assert found[name] == {step: expected[name][step] for step in later}
        assert_same_weights(found["weights"], expected["weights"])
    assert scalars(tmp_path / "run") == scalars(straight.folder / "run")
    assert metrics(tmp_path / "run")["views"] == metrics(straight.folder / "run")["views"]
    first, second = offline_runs(tmp_path / "run")  # of the first rank alone, each time
    assert first.id == second.id
    assert (first.exit_code, second.exit_code) == (1, 0)


def test_a_rank_that_drifts_ends_the_run_on_all_before_it_is_saved(scene: Path, tmp_path: Path) -> None:
    words = arguments(scene, tmp_path, callback(Disturber, rank=1, step=6))
    done = run_on_ranks(["fit", *words, "--trainer.devices=2", "--checkpoint_every=4"])
    assert done.returncode == 2, done.stderr
    (message,) = re.findall(r"^error: (.*)$", done.stderr, re.MULTILINE)
    assert "found at step 8" in message
    assert "mpi.gate" in message
    assert "mpi.field.base_color.raw" in message
    assert "on rank 1" in message
    assert str(tmp_path / "run" / "checkpoints" / "last.ckpt") in message
    assert "Traceback" not in done.stderr
    assert checkpoint(tmp_path / "run")["global_step"] == 4


def test_all_variants_train_alike_on_two_ranks(scene: Path, tmp_path: Path) -> None:
    """Estimators differentiate the field within a step, and keep volumes from step to step."""
    names = sorted(path.stem for path in (EXPERIMENTS / "variants").glob("*.yaml"))
    words: list[str] = []
    for variant in names:
        settings = small(
            scene, f"--run.folder={tmp_path / variant}", "--trainer.max_steps=4", variant=variant
        )
        # Two ranks; they are compared before each checkpoint.
        words += [THEN, "fit", *settings, *("-c", str(EXPERIMENTS / "ddp.yaml"))]
        words += ["--trainer.devices=2", "--checkpoint_every=2"]
    done = run_on_ranks(words)
    assert done.returncode == 0, done.stderr
    assert [metrics(tmp_path / variant)["ranks"] for variant in names] == [2] * len(names)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1], ids=lambda number: number.name)
def test_one_rank_alone_stops_after_the_step_in_which_it_is_told(
    scene: Path,
    tmp_path: Path,
    number: signal.Signals,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    more = ["--trainer.max_steps=12"]
    draw = SceneDataModule.draw_rays

    def draw_and_tell(self: SceneDataModule, step: int, rank: int, device: torch.device) -> RayBatch:
        if step == 7:
            os.kill(os.getpid(), number)
        return draw(self, step, rank, device)

    with monkeypatch.context() as patch:
        patch.setattr(SceneDataModule, "draw_rays", draw_and_tell)
        with pytest.raises(SystemExit) as caught:
            fit(scene, tmp_path / "run", *more)
    assert caught.value.code == STOPPED
    assert f"Stopped by {number.name} at step 8; " in capsys.readouterr().err
    assert checkpoint(tmp_path / "run")["global_step"] == 8
    assert signal.getsignal(number) == signal.SIG_DFL
    resumed = tensors(fit(scene, tmp_path / "run", *more))
    assert_same_weights(resumed, tensors(fit(scene, tmp_path / "straight", *more)))
