"""Exposures of the training photos."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import RayBatch
from normnex_pl.training.execution import Eager
from normnex_pl.training.exposure import AffineExposure, ExposureFactory, SameExposure
from normnex_pl.training.losses import RayLosses
from normnex_pl.training.module import NormNeXModule
from support.small import few, some_batch
from training.test_execution import make_module

VIEWS = 4


def learned(seed: int = 0, **settings: float) -> AffineExposure:
    """Return exposures that differ."""
    exposure = AffineExposure(VIEWS, **settings)
    torch.nn.init.normal_(exposure.offsets, std=0.2, generator=torch.Generator().manual_seed(seed))
    return exposure


def colors(triplets: int = 8, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.rand(triplets, 3, 3, generator=generator),
        torch.randint(VIEWS, (triplets,), generator=generator),
    )


def no_losses() -> RayLosses:
    return RayLosses(torch.zeros(()), {}, None)


@pytest.mark.parametrize("kind", [SameExposure, AffineExposure])
def test_photos_are_exposed_alike_at_first(kind: ExposureFactory) -> None:
    rgb, views = colors()
    exposure = kind(VIEWS)
    assert torch.equal(exposure(rgb, views), rgb)
    assert exposure.regularize(no_losses()).total == 0


def test_each_photo_has_its_own_affine_map() -> None:
    exposure, (rgb, views) = learned(), colors()
    maps = exposure.maps
    expected = torch.stack(
        [
            color @ (torch.eye(3) + maps[v, :, :3]).T + maps[v, :, 3]
            for color, v in zip(rgb, views, strict=True)
        ]
    )
    torch.testing.assert_close(exposure(rgb, views), expected)


@few
@given(st.integers(0, 99))
def test_the_mean_photo_shows_what_is_rendered(seed: int) -> None:
    """What all photos have in common belongs to the model, which new views are rendered by."""
    exposure, (rgb, _) = learned(seed), colors(1)
    shown = torch.stack([exposure(rgb, torch.tensor([view])) for view in range(VIEWS)])
    torch.testing.assert_close(shown.mean(dim=0), rgb)


def test_the_penalty_is_the_mean_of_squares() -> None:
    exposure = learned(weight=0.5)
    total = exposure.regularize(no_losses())
    expected = sum(float((view**2).sum()) for view in exposure.maps.detach()) / VIEWS
    assert total.losses["exposure"] == pytest.approx(expected)
    assert float(total.total.detach()) == pytest.approx(0.5 * expected)


def test_known_exposures_are_found_again() -> None:
    """Fit the maps of photos of known colours, between which gains differ."""
    gains = torch.tensor([0.8, 0.9, 1.1, 1.2])
    exposure = AffineExposure(VIEWS, learning_rate=0.02)
    optimizer = torch.optim.Adam(exposure.parameters(), lr=exposure.learning_rate)
    for step in range(150):
        rgb, views = colors(200, seed=step)
        error = (exposure(rgb, views) - gains[views][:, None, None] * rgb).square().mean()
        total = exposure.regularize(RayLosses(error, {}, None)).total
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    rgb, views = colors(200, seed=999)
    torch.testing.assert_close(exposure(rgb, views), gains[views][:, None, None] * rgb, atol=0.02, rtol=0)


@pytest.mark.parametrize("settings", [{"learning_rate": 0.0}, {"weight": -1.0}, {"weight": float("nan")}])
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(UserError, match=r"model\.exposure: expected a positive learning_rate and a weight"):
        AffineExposure(VIEWS, **settings)


def step_of(module: NormNeXModule, monkeypatch: pytest.MonkeyPatch) -> RayBatch:
    """Give a module what a step needs of its trainer, and return a batch of several photos."""
    monkeypatch.setattr(
        NormNeXModule,
        "trainer",
        SimpleNamespace(global_step=0, log_every_n_steps=0, estimated_stepping_batches=1),
    )
    batch = some_batch()
    return RayBatch(batch.rays, batch.rgb, torch.arange(len(batch.rgb)) % VIEWS)


def test_a_step_compares_the_colours_of_the_photos_own_exposures(monkeypatch: pytest.MonkeyPatch) -> None:
    module = make_module(Eager(), exposure=partial(AffineExposure, weight=0.0))
    batch = step_of(module, monkeypatch)
    before = module.ray_losses(batch)
    with torch.no_grad():
        module.exposure.offsets.copy_(learned().offsets)
    shown = RayBatch(batch.rays, module.ray_terms(batch).rgb.detach(), batch.views)
    assert module.ray_losses(shown).losses["mse"] == pytest.approx(0, abs=1e-12)
    assert module.ray_losses(batch).losses["mse"] != before.losses["mse"]


def test_exposures_learn_with_their_own_rate_and_rendering_knows_nothing_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = make_module(Eager(), exposure=partial(AffineExposure, learning_rate=0.005))
    batch = step_of(module, monkeypatch)
    optimizer = module.configure_optimizers()["optimizer"]
    rendered = module.mpi.render(batch.first_rays()).rgb.detach()
    module.training_step(batch, 0)["loss"].backward()
    assert (module.exposure.offsets.grad != 0).any()
    for group in optimizer.param_groups[:-1]:
        group["lr"] = 0.0
    optimizer.step()
    largest = float(module.exposure.offsets.detach().abs().max())
    assert largest == pytest.approx(0.005, rel=1e-3)
    assert torch.equal(module.mpi.render(batch.first_rays()).rgb, rendered)


def test_a_checkpoint_holds_exposures() -> None:
    module, other = (make_module(Eager(), exposure=AffineExposure) for _ in range(2))
    with torch.no_grad():
        module.exposure.offsets.copy_(learned().offsets)
    other.load_state_dict(module.state_dict())
    assert torch.equal(other.exposure.offsets, module.exposure.offsets)
