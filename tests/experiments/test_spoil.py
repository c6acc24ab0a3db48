"""Imperfect captures, made of the shipped scene; and what masks and learned exposures bring on them."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from normnex_pl.data.datamodule import SceneDataModule
from normnex_pl.evaluation.alignment import aligned_metrics
from normnex_pl.evaluation.metrics import psnr
from normnex_pl.model.appearance import NeuralBasis, NoNormals, RGBColor, ViewQuery
from normnex_pl.model.appearance.background import OpaqueLastPlane
from normnex_pl.model.fields import GridField
from normnex_pl.training.exposure import AffineExposure, ExposureFactory, SameExposure
from normnex_pl.training.initialization import PlaneSweep
from normnex_pl.training.losses import LossWeights
from normnex_pl.training.module import AdamSettings, NormNeXModule
from normnex_pl.training.schedules import ExponentialDecay

SCRIPT = Path(__file__).parents[2] / "experiments" / "scenes" / "spoil.py"
WIDTH, STEPS = 64, 40
RATES = {"alpha": 0.1, "base_color": 0.04, "features": 0.02, "basis": 2e-3}


def spoil(scene: Path, output: Path, *words: str) -> Path:
    subprocess.run([sys.executable, SCRIPT, scene, output, *words], check=True)
    return output


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the shipped scene with photos of the width that is trained at."""
    source = Path(__file__).parents[2] / "scenes" / "demo"
    root = tmp_path_factory.mktemp("scenes") / "small"
    (root / "images").mkdir(parents=True)
    (root / "poses_bounds.npy").write_bytes((source / "poses_bounds.npy").read_bytes())
    for path in sorted((source / "images").iterdir()):
        with Image.open(path) as image:
            image.resize((WIDTH, WIDTH * 3 // 4), Image.Resampling.LANCZOS).save(
                root / "images" / f"{path.stem}.png"
            )
    return root


@pytest.fixture(scope="module")
def moving(small: Path) -> Path:
    return spoil(small, small.parent / "moving", "--moving", "--masks")


@pytest.fixture(scope="module")
def uneven(small: Path) -> Path:
    return spoil(small, small.parent / "uneven", "--stops", "0.7")


def pixels(root: Path, folder: str, name: str) -> np.ndarray:
    with Image.open(root / folder / f"{name}.png") as image:
        return np.asarray(image)


def test_the_masks_leave_nothing_of_what_moves_and_held_out_photos_are_clean(
    small: Path, moving: Path
) -> None:
    for index in range(30):
        name = f"view_{index:03}"
        clean, spoilt = pixels(small, "images", name), pixels(moving, "images", name)
        if index % 8 == 0:
            np.testing.assert_array_equal(clean, spoilt)
            assert not (moving / "masks" / f"{name}.png").exists()
            continue
        mask = pixels(moving, "masks", name)
        np.testing.assert_array_equal(clean[mask], spoilt[mask])
        assert (clean != spoilt).any(axis=-1).sum() > 0.5 * (~mask).sum()


def test_exposures_differ_by_as_much_as_was_asked_for(small: Path, uneven: Path) -> None:
    stops = []
    for index in range(30):
        clean, shown = (pixels(root, "images", f"view_{index:03}") / 255 for root in (small, uneven))
        within = (clean > 0.1) & (shown > 0.1) & (shown < 0.98)
        stops.append(float(np.median(2.2 * np.log2(shown[within] / clean[within]))))
    assert [stops[index] for index in range(0, 30, 8)] == [0] * 4
    assert 0.4 < np.abs(stops).max() < 0.75


def train(scene: Path, exposure: ExposureFactory = SameExposure) -> dict[str, float]:
    """Train a small model for a moment; return its mean scores on the clean held-out photos."""
    torch.manual_seed(0)
    data = SceneDataModule(scene, rays_per_step=1800)
    module = NormNeXModule(
        vars(data.geometry),
        partial(GridField, divisors=(4, 2, 1), feature_divisor=8),
        RGBColor(),
        NeuralBasis(ViewQuery()),
        NoNormals(),
        AdamSettings(RATES, betas=(0.9, 0.99), eps=1e-15),
        ExponentialDecay(),
        background=OpaqueLastPlane(),
        weights=LossWeights(tv_base_color=0.0),
        exposure=exposure,
        num_layers=8,
        sublayers=2,
        num_views=data.num_train_views,
    )
    PlaneSweep()(module.mpi, [data.scene.views[index] for index in data.train_views])
    groups = [{"params": group, "lr": RATES[name]} for name, group in module.mpi.parameter_groups().items()]
    groups.append({"params": list(module.exposure.parameters()), "lr": 0.01})
    optimizer = torch.optim.Adam([group for group in groups if group["params"]], betas=(0.9, 0.99), eps=1e-15)
    for step in range(STEPS):
        optimizer.zero_grad()
        module.ray_losses(data.draw_rays(step, 0, torch.device("cpu"))).total.backward()
        optimizer.step()
    scores = []
    for view in (data.scene.views[index] for index in data.scene.test):
        rgb = module.mpi.render_image(view.camera)["rgb"]
        scores.append((psnr(rgb, view.rgb), aligned_metrics(rgb, view.rgb)["psnr_aligned"]))
    plain, aligned = np.array(scores, dtype=float).mean(axis=0)
    return {"plain": plain, "aligned": aligned}


def test_masks_keep_what_moves_out_of_new_views(small: Path, moving: Path) -> None:
    clean, masked = train(small)["plain"], train(moving)["plain"]
    (moving / "masks").rename(moving / "unread")
    ghosts = train(moving)["plain"]
    (moving / "unread").rename(moving / "masks")
    assert masked > ghosts + 2
    assert masked > clean - 1


def test_learned_exposures_explain_differences_between_photos(uneven: Path) -> None:
    alike, learned = train(uneven), train(uneven, AffineExposure)
    assert learned["aligned"] > alike["aligned"] + 0.2
    assert learned["plain"] > alike["plain"]
