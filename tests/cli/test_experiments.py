"""The YAML files: all combinations build, and `paper` says what the paper says."""

from __future__ import annotations

import functools
import itertools
import re
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
import yaml
from torch import nn

from cli.helpers import EXPERIMENTS, NUM_TRAINING_VIEWS, WIDTH, configs
from normnex_pl.cli.main import main
from normnex_pl.core.errors import UserError
from normnex_pl.data.datamodule import SceneDataModule
from normnex_pl.data.sampling import OneView
from normnex_pl.model.appearance import RGBColor
from normnex_pl.model.fields import MLPField
from normnex_pl.training.command import NormNeXCLI, resolved_config
from normnex_pl.training.configurations import (
    config_file,
    config_files,
    config_words,
    known,
    merged,
    read_settings,
)
from normnex_pl.training.losses import LossWeights
from normnex_pl.training.module import NormNeXModule

VARIANTS, PRESETS = known("variants"), known("presets")
ROWS = yaml.safe_load((EXPERIMENTS / "ablations.yaml").read_text(encoding="utf-8"))["rows"]

Built = tuple[pl.Trainer, NormNeXModule, SceneDataModule]


def build(scene: Path, folder: Path, variant: str, preset: str, *more: str) -> Built:
    """Do all that ``normnex fit`` does, short of training."""
    built: list[Built] = []

    @functools.wraps(pl.Trainer.fit)  # the command line reads its signature
    def keep(trainer: pl.Trainer, model: NormNeXModule, datamodule: SceneDataModule, **_: Any) -> None:
        built.append((trainer, model, datamodule))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pl.Trainer, "fit", keep)
        patch.setattr(NormNeXCLI, "after_fit", lambda _: None)
        scene_arguments = [f"--data.scene={scene}", f"--data.width={WIDTH}"]
        main(
            [
                "fit",
                *configs(variant, preset),
                *scene_arguments,
                f"--run.folder={folder}",
                "--trainer.accelerator=cpu",
                *more,
            ]
        )
    return built[0]


@pytest.fixture(scope="module")
def paper(_quick_and_alone: None, scene: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build the paper's own variant at the paper's own settings, on a scene of forty pixels."""
    return build(scene, tmp_path_factory.mktemp("paper"), "nex_rgb", "paper")


def layer_sizes(network: nn.Module) -> list[tuple[int, int]]:
    """Return the inputs and outputs of all linear layers, in order."""
    return [
        (layer.in_features, layer.out_features) for layer in network.modules() if isinstance(layer, nn.Linear)
    ]


def test_the_folders_of_experiments_are_not_empty() -> None:
    assert "nex_rgb" in VARIANTS
    assert set(PRESETS) >= {"paper", "fast", "tiny"}


@pytest.mark.parametrize(("variant", "preset"), list(itertools.product(VARIANTS, PRESETS)))
def test_every_variant_builds_at_every_preset(scene: Path, tmp_path: Path, variant: str, preset: str) -> None:
    small = ["--model.num_layers=4", "--model.sublayers=2"]
    _, module, _ = build(scene, tmp_path, variant, preset, *small)
    groups = module.mpi.parameter_groups()
    assert set(module.optimizer_settings.learning_rates) == set(groups)
    assert sum(map(len, groups.values())) == len(list(module.parameters()))
    assert (tmp_path / "config.yaml").is_file()


@pytest.mark.parametrize(("folder", "key"), [("variants", "variant"), ("presets", "preset")])
def test_files_give_a_run_their_own_name(folder: str, key: str) -> None:
    for path in (EXPERIMENTS / folder).glob("*.yaml"):
        assert yaml.safe_load(path.read_text(encoding="utf-8"))["run"] == {key: path.stem}


def test_paper_planes(paper: Built) -> None:
    _, module, _ = paper
    assert (module.hparams["num_layers"], module.hparams["sublayers"]) == (16, 12)
    assert len(module.mpi.depths) == 192
    assert len(module.mpi.layer_depths) == 16


def test_paper_network(paper: Built) -> None:
    field = paper[1].mpi.field
    assert isinstance(field, MLPField)
    assert (field.xy_octaves, field.plane_octaves) == (10, 8)
    assert layer_sizes(field.trunk) == [(56, 384)] + 4 * [(384, 384)]
    slopes = [layer.negative_slope for layer in field.trunk.modules() if isinstance(layer, nn.LeakyReLU)]
    assert slopes == 5 * [0.01]
    assert layer_sizes(field.alpha_head) + layer_sizes(field.feature_head) == [(384, 1), (384, 24)]


def test_paper_colour(paper: Built) -> None:
    _, module, _ = paper
    assert isinstance(module.mpi.color, RGBColor)
    assert module.mpi.basis.num_basis == 8
    assert layer_sizes(module.mpi.basis) == [(12, 64), (64, 64), (64, 8)]
    geometry = module.mpi.geometry
    assert module.mpi.field.base_color.raw.shape == (16, 3, geometry.canvas_height, geometry.canvas_width)


def test_paper_losses(paper: Built) -> None:
    weights = LossWeights(**paper[1].weights)
    assert (weights.mse, weights.gradient, weights.tv_base_color) == (1.0, 0.05, 0.03)
    assert set(paper[1].weights.values()) == {1.0, 0.05, 0.03, 0.0}  # and no other one
    assert paper[1].mpi.field.base_color.tv_layers is None  # all layers


def test_paper_optimizer(paper: Built) -> None:
    settings = paper[1].optimizer_settings
    # The authors' trainer raises the rate of the basis as it does the texture's.
    assert dict(settings.learning_rates) == {"network": 1e-3, "basis": 1e-2, "base_color": 1e-2}
    assert (*settings.betas, settings.eps) == (0.9, 0.999, 1e-8)


def test_paper_learning_rates_fall_tenfold_after_each_third(paper: Built) -> None:
    schedule = paper[1].schedule
    shares = (0.0, 0.33, 0.34, 0.66, 0.67, 1.0)
    assert [schedule(share) for share in shares] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_paper_steps(paper: Built) -> None:
    trainer, _, datamodule = paper
    assert datamodule.rays_per_step == 8000
    assert isinstance(datamodule.sampler, OneView)
    assert (trainer.max_epochs, trainer.max_steps) == (4000, -1)
    assert len(datamodule.train_dataloader()) == NUM_TRAINING_VIEWS


def test_paper_photos() -> None:
    assert read_settings(config_file("presets", "paper"))["data"]["width"] == 1008


@pytest.mark.parametrize("row", ROWS)
def test_every_ablation_builds_and_differs_from_its_variant(scene: Path, tmp_path: Path, row: str) -> None:
    variant, arguments = ROWS[row]["variant"], ROWS[row].get("args", [])
    small = ["--model.num_layers=4", "--model.sublayers=2"]
    build(scene, tmp_path / "row", variant, "fast", *small, *arguments)
    build(scene, tmp_path / "variant", variant, "fast", *small)
    texts = [(tmp_path / name / "config.yaml").read_text(encoding="utf-8") for name in ("row", "variant")]
    row_config, variant_config = (text.replace(str(tmp_path), "") for text in texts)
    assert (row_config.replace("/row", "/variant") != variant_config) == bool(arguments)


def test_variants_with_normals_differ_in_their_estimator_alone() -> None:
    configs = [
        read_settings(config_file("variants", name)) for name in VARIANTS if name.startswith("normnex_")
    ]
    assert len({str(config["model"].pop("estimator")) for config in configs}) == len(configs) > 1
    for config in configs:
        del config["run"]["variant"]
        assert config == configs[0]


def test_a_variant_is_its_difference_in_at_most_twelve_lines() -> None:
    for name in VARIANTS:
        text = config_file("variants", name).read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 12, name


@pytest.mark.parametrize(("variant", "preset"), list(itertools.product(VARIANTS, PRESETS)))
def test_merged_files_are_what_the_parser_makes_of_them(variant: str, preset: str) -> None:
    """`normnex inspect` merges them itself, and the parser goes on from there."""
    files = config_files(variant, preset)
    parsed = yaml.safe_load(resolved_config([*config_words(files), "--data.scene=s"]))
    whole = merged([read_settings(path) for path in files])
    assert_part_of(whole, parsed)


def assert_part_of(part: Any, whole: Any, key: str = "") -> None:
    """Assert that all settings of a configuration are also in the other one."""
    if isinstance(part, dict):
        for name, value in part.items():
            assert_part_of(value, whole[name], f"{key}.{name}")
    elif isinstance(part, list):
        for number, (one, other) in enumerate(zip(part, whole, strict=True)):
            assert_part_of(one, other, f"{key}.{number}")
    else:
        assert part == whole, key


def test_a_file_inherits_by_a_name_or_by_a_path_and_takes_precedence(tmp_path: Path) -> None:
    (tmp_path / "parent.yaml").write_text("inherits: presets/tiny\ndata: {width: 40, rays_per_step: 60}\n")
    (tmp_path / "child.yaml").write_text("inherits: parent.yaml\ndata: {width: 50}\nrun: {preset: mine}\n")
    settings = read_settings(tmp_path / "child.yaml")
    assert settings["data"] == {"width": 50, "rays_per_step": 60}
    assert settings["run"] == {"preset": "mine"}
    assert settings["model"] == read_settings(config_file("presets", "tiny"))["model"]
    words = config_words(config_files("nex_rgb", str(tmp_path / "child.yaml")))
    parsed = yaml.safe_load(resolved_config([*words, "--data.scene=s"]))
    assert "inherits" not in parsed
    assert_part_of(settings, parsed)


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("inherits: presets/huge", "presets/huge.yaml: expected a YAML file of settings"),
        ("inherits: gone.yaml", "gone.yaml: expected a YAML file of settings"),
        ("inherits: mine.yaml", "mine.yaml: expected `inherits` to name another file"),
    ],
)
def test_what_cannot_be_inherited_is_named(tmp_path: Path, text: str, fragment: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(UserError, match=re.escape(fragment)):
        read_settings(tmp_path / "mine.yaml")
    with pytest.raises(UserError, match=re.escape(fragment)):
        resolved_config(["-c", str(tmp_path / "mine.yaml")])


def test_resolving_a_configuration_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    state = torch.get_rng_state()
    resolved_config([*configs("normnex_image"), "--data.scene=nowhere", "--seed_everything=5"])
    assert torch.equal(torch.get_rng_state(), state)
    assert capsys.readouterr() == ("", "")
