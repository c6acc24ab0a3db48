"""``normnex train`` and ``eval``: the words that they hand on, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.helpers import EXPERIMENTS, configs, evaluate, failure, fit, metrics, small
from normnex_pl.cli import eval as evaluation
from normnex_pl.cli.main import main
from normnex_pl.cli.options import parse
from normnex_pl.cli.train import Options
from normnex_pl.training.configurations import known


def words_of(*words: str) -> list[str]:
    """Return the words that `normnex fit` is called with."""
    return parse(Options, "normnex train", words).words()


def test_base_variant_and_preset_are_composed() -> None:
    assert words_of("my scene") == [*configs("nex_rgb", "fast"), "--data.scene=my scene"]
    words = [
        "my scene",
        "--variant=nex_ycbcr",
        "--preset",
        "tiny",
        "--trainer.max_steps=3",
        "--after_fit=test",
    ]
    expected = [*configs("nex_ycbcr", "tiny"), "--data.scene=my scene"]
    assert words_of(*words) == [*expected, "--trainer.max_steps=3", "--after_fit=test"]


def test_loggers_come_after_the_preset() -> None:
    found = words_of("s", "--loggers", "wandb", "tensorboard")
    files = [str(EXPERIMENTS / "loggers" / f"{name}.yaml") for name in ("wandb", "tensorboard")]
    assert found == [*configs("nex_rgb", "fast"), "-c", files[0], "-c", files[1], "--data.scene=s"]


def test_one_gpu_needs_no_settings_of_several() -> None:
    assert words_of("s", "--gpus=1")[-3:] == [
        *("--data.scene=s", "--trainer.accelerator=gpu", "--trainer.devices=1"),
    ]


def test_several_gpus_have_a_process_each() -> None:
    ddp = ["-c", str(EXPERIMENTS / "ddp.yaml")]
    assert words_of("s", "--gpus=2")[-4:] == [*ddp, "--trainer.accelerator=gpu", "--trainer.devices=2"]
    found = words_of("s", "--gpus=1", "--nodes=2", "--trainer.accelerator=cpu")
    assert found[-6:-4] == ddp
    assert found[-3:] == ["--trainer.devices=1", "--trainer.num_nodes=2", "--trainer.accelerator=cpu"]


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        (["--variant=nix"], f"the path of a YAML file or one of {', '.join(known('variants'))}, found nix"),
        (["--preset=huge"], "found huge. Choose one."),
        (["--loggers", "wand"], "or one of tensorboard, wandb, found wand"),
        (["--preset=gone.yaml"], "gone.yaml: expected a YAML file, found none"),
        (["--gpus=0"], "--gpus, --nodes: expected at least 1 of each"),
        (["--nodes=2"], "--nodes: expected --gpus as well"),
        (["--data.ray_per_step=60"], "--data.ray_per_step"),
    ],
)
def test_bad_words_are_named(
    scene: Path, capsys: pytest.CaptureFixture[str], words: list[str], fragment: str
) -> None:
    assert fragment in failure(capsys, "train", str(scene), *words)


def test_files_of_ones_own_are_as_good_as_names(scene: Path, tmp_path: Path) -> None:
    variant, preset = tmp_path / "mine.yaml", tmp_path / "smaller.yaml"
    variant.write_text("inherits: variants/nex_rgb\nrun: {variant: mine}\n")
    preset.write_text(
        "inherits: presets/tiny\nrun: {preset: smaller}\nmodel: {num_layers: 2, sublayers: 2}\n"
    )
    settings = [word for word in small(scene)[6:] if "num_layers" not in word and "sublayers" not in word]
    root = f"--run.root={tmp_path / 'runs'}"
    main(["train", str(scene), f"--variant={variant}", f"--preset={preset}", root, *settings])
    found = metrics(tmp_path / "runs" / scene.name / "mine-smaller")
    assert (found["variant"], found["preset"], found["steps"]) == ("mine", "smaller", 6)


def test_train_is_fit_and_eval_repeats_its_scores(scene: Path, tmp_path: Path) -> None:
    by_hand = fit(scene, tmp_path / "fit")
    main(["train", str(scene), "--preset=tiny", f"--run.folder={tmp_path / 'train'}", *small(scene)[6:]])
    assert metrics(tmp_path / "train")["views"] == metrics(by_hand)["views"]
    before = metrics(by_hand)["views"]
    (by_hand / "metrics.json").unlink()
    assert evaluate(by_hand, f"--scene={scene}")["views"] == before


def test_eval_takes_one_device_and_the_settings_of_the_user(run: Path) -> None:
    options = parse(evaluation.Options, "normnex eval", [str(run), "--scene=moved", "--pictures.layers=[0]"])
    assert options.words() == [
        *("-c", str(run / "config.yaml"), f"--run.folder={run}"),
        *("--trainer.devices=1", "--trainer.num_nodes=1", "--trainer.strategy=auto"),
        *("--data.scene=moved", "--pictures.layers=[0]"),
    ]


def test_eval_of_a_folder_that_is_no_run_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = failure(capsys, "eval", str(tmp_path))
    assert message.startswith(f"{tmp_path / 'config.yaml'}: expected the configuration of a run")
