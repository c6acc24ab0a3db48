"""`normnex bake` on a run's folder: what it writes, what it says, and what an interruption leaves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cli.helpers import HEIGHT, HELD_OUT, WIDTH, evaluate, fit, metrics, quick_and_alone, status_of
from normnex_pl.cli.errors import INTERRUPTED
from normnex_pl.core.files import replacing_folder, write_json
from normnex_pl.export.baked.files import read_manifest
from normnex_pl.export.baked.image import BakedMPI
from normnex_pl.export.baked.steps import write as bake_files

FEW = 10  # photos


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """Run all tests of this file quickly and alone."""
    with quick_and_alone():
        yield


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write ten views of the shipped scene, forty pixels wide."""
    demo = Path(__file__).resolve().parents[2] / "scenes" / "demo"
    folder = tmp_path_factory.mktemp("scenes") / "desk"
    (folder / "images").mkdir(parents=True)
    for path in sorted((demo / "images").glob("*.jpg"))[:FEW]:
        with Image.open(path) as image:
            image.resize((WIDTH, HEIGHT)).save(folder / "images" / f"{path.stem}.png")
    np.save(folder / "poses_bounds.npy", np.load(demo / "poses_bounds.npy")[:FEW])
    return folder


@pytest.fixture(scope="module")
def trained(desk: Path, tmp_path_factory: pytest.TempPathFactory, _quick: None) -> Path:
    """Return a trained run that no test changes."""
    return fit(desk, tmp_path_factory.mktemp("runs") / "finished")


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """Return a copy of the run."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def bake_run(run: Path, *options: str) -> int:
    return status_of("bake", str(run), "--device=cpu", *options)


def test_a_presentation_is_kept_by_later_bakes(run: Path, tmp_path: Path) -> None:
    write_json(tmp_path / "said.json", {"title": "A desk"})
    assert bake_run(run, f"--presentation={tmp_path / 'none.json'}") == 2
    assert not (run / "mpi").exists()
    assert bake_run(run, f"--presentation={tmp_path / 'said.json'}") == 0
    assert bake_run(run) == 0
    presentation = read_manifest(run / "mpi").presentation
    assert presentation is not None
    assert presentation.title == "A desk"


def test_a_run_is_baked_scored_and_keeps_its_scores(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = json.loads((run / "metrics.json").read_text())
    assert bake_run(run) == 0
    after = json.loads((run / "metrics.json").read_text())
    scores = after.pop("baked")
    assert after == before
    assert [view["name"] for view in scores["views"]] == list(HELD_OUT)
    assert scores["psnr"] == pytest.approx(np.mean([view["psnr"] for view in scores["views"]]))
    assert scores["psnr_live"] == pytest.approx(before["test"]["psnr"], abs=1e-3)
    assert scores["psnr"] == pytest.approx(scores["psnr_live"], abs=0.2)
    assert scores["psnr_to_live"] > 45
    assert 0 < scores["ssim"] < 1
    assert scores["lpips_vgg"] is None
    assert scores["frame_size"] == [WIDTH, HEIGHT]
    assert scores["frames_per_second"] > 0
    assert scores["renderer"] == "torch"
    assert scores["device"].startswith("CPU")
    assert scores["megabytes_gpu_peak"] is None
    assert 0 < scores["megabytes_memory"] <= scores["megabytes_decoded"]
    on_disk = sum(len(content) for content in contents(run / "mpi").values())
    assert scores["megabytes_disk"] == pytest.approx(on_disk / 1e6)
    provenance = json.loads((run / "mpi" / "manifest.json").read_text())["provenance"]
    assert provenance.items() >= {"scene": "desk", "variant": "nex_rgb", "preset": "tiny", "steps": 6}.items()
    said = capsys.readouterr().out
    assert "view_008: baked" in said
    assert "MB on disk" in said
    assert sorted(path.name for path in run.glob("*mpi*")) == ["mpi"]


def test_what_is_baked_is_found_without_the_checkpoint(run: Path) -> None:
    bake_run(run)
    for name in ("checkpoints", "config.yaml", "metrics.json"):
        path = run / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    baked = BakedMPI.read(run / "mpi")
    assert baked.manifest.camera.width == WIDTH
    assert len(baked.manifest.viewpoints) == FEW - len(HELD_OUT)


def test_a_second_bake_replaces_the_first(run: Path) -> None:
    bake_run(run)
    (run / "mpi" / "stray.txt").touch()
    first = contents(run / "mpi")
    assert bake_run(run, "--format=png") == 0
    names = set(contents(run / "mpi"))
    assert "stray.txt" not in names
    assert "alpha_000.png" in names
    assert "alpha_000.webp" in first


def test_an_interrupted_bake_leaves_the_old_one_whole(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bake_run(run)
    files, scores = contents(run / "mpi"), (run / "metrics.json").read_bytes()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bake_files, "write_basis", interrupt)
    assert bake_run(run) == INTERRUPTED
    assert contents(run / "mpi") == files
    assert (run / "metrics.json").read_bytes() == scores


def test_scores_of_files_that_are_gone_are_forgotten(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bake_run(run)
    scores = metrics(run)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("normnex_pl.export.baked.bake.score_baked", interrupt)
    assert bake_run(run, "--threshold=0.5") == INTERRUPTED
    assert scores.pop("baked")
    assert metrics(run) == scores
    assert sorted(path.name for path in run.glob("*mpi*")) == ["mpi"]


def test_a_folder_lost_between_its_two_names_is_found_again(tmp_path: Path) -> None:
    """Simulate a power cut between the two renames."""
    folder = tmp_path / "mpi"
    (tmp_path / ".mpi-old").mkdir()
    (tmp_path / ".mpi-old" / "file").touch()
    with pytest.raises(RuntimeError, match="stop"), replacing_folder(folder):
        raise RuntimeError("stop")
    assert [path.name for path in folder.iterdir()] == ["file"]
    with replacing_folder(folder) as temporary:
        (temporary / "new").touch()
        assert [path.name for path in folder.iterdir()] == ["file"]
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_run_that_was_not_evaluated_is_baked_all_the_same(run: Path) -> None:
    (run / "metrics.json").unlink()
    assert bake_run(run) == 0
    assert set(json.loads((run / "metrics.json").read_text())) == {"baked"}


def test_an_evaluation_keeps_the_scores_of_what_was_baked_from_the_same_weights(run: Path) -> None:
    bake_run(run)
    scores = metrics(run)["baked"]
    assert evaluate(run)["baked"] == scores
    path = run / "checkpoints" / "last.ckpt"
    content = torch.load(path, weights_only=True)
    content["state_dict"]["mpi.gate"] += 0.1
    torch.save(content, path)
    assert "baked" not in evaluate(run)
    bake_run(run)
    shutil.rmtree(run / "mpi")
    assert "baked" not in evaluate(run)


def test_scenes_move(run: Path, desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere = shutil.copytree(desk, tmp_path / "elsewhere")
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace(str(desk), str(tmp_path / "gone")))
    assert bake_run(run) == 2
    assert "gone" in capsys.readouterr().err
    assert bake_run(run, f"--scene={elsewhere}") == 0


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("config.yaml", "config.yaml: expected the configuration of a run, found none"),
        ("checkpoints/last.ckpt", "last.ckpt: expected the checkpoint of a trained run, found none"),
    ],
)
def test_what_a_run_lacks_is_named(
    lost: str, message: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / lost).unlink()
    assert bake_run(run) == 2
    assert message in capsys.readouterr().err
    assert not list(run.glob("*mpi*"))


def test_damaged_files_of_a_run_are_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "metrics.json").write_text("{")
    assert bake_run(run) == 2
    assert "metrics.json: expected JSON, found a damaged file" in capsys.readouterr().err
    write_json(run / "metrics.json", {})
    (run / "config.yaml").write_text("run: [")
    assert bake_run(run) == 2
    assert "config.yaml: expected YAML, found a damaged file" in capsys.readouterr().err
    assert not list(run.glob("*mpi*"))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--threshold=2", "--threshold: expected a weight from 0 to 1, found 2"),
        ("--alpha_pixels=0", "--alpha_pixels: expected at least 0.5 pixels, found 0"),
        ("--tolerance=-1", "--tolerance: expected 0 to 128 levels, found -1"),
        ("--quality=0", "--quality: expected 1 to 100, of WebP, found 0 of webp"),
        ("--device=tpu9", "--device: expected cpu or cuda, found tpu9"),
        ("--device=meta", "--device: expected cpu or cuda, found meta"),
    ],
)
def test_options_out_of_range_are_refused(
    option: str, message: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bake_run(run, option) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--quality=50", "--tolerance=2"])
def test_colors_that_may_change_are_smaller(option: str, run: Path) -> None:
    sizes = []
    for options in ("--tolerance=0",), ("--tolerance=0", option):
        bake_run(run, *options)
        sizes.append((run / "mpi" / "base_color_000.webp").stat().st_size)
    assert sizes[1] < sizes[0]


@pytest.mark.gpu
def test_the_gpu_renders_the_same(run: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    assert status_of("bake", str(run), "--device=cuda") == 0
    scores = json.loads((run / "metrics.json").read_text())["baked"]
    assert scores["renderer"] == "triton"
    assert scores["psnr_to_live"] > 45
    assert scores["megabytes_gpu_peak"] > scores["megabytes_memory"]
