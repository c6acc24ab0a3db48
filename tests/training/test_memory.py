"""The estimate of a training's memory is what PyTorch's profiler sees it allocate."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch

from normnex_pl.core.types import MPIGeometry, RayBatch, Rays
from normnex_pl.model.appearance import (
    NeuralBasis,
    NoNormals,
    OpaqueLastPlane,
    PredictedNormals,
    RGBColor,
    ViewQuery,
)
from normnex_pl.model.fields import GridField, MLPField
from normnex_pl.normals import (
    DensityGradient,
    FilteredDepth,
    LossGradient,
    NormalEstimator,
    TransmittanceGradient,
)
from normnex_pl.training.losses import LossWeights
from normnex_pl.training.memory.count import Photos, estimate_rendering, estimate_training
from normnex_pl.training.memory.fake_step import StepSettings
from normnex_pl.training.memory.fitting import largest
from normnex_pl.training.module import AdamSettings, NormNeXModule
from normnex_pl.training.schedules import ExponentialDecay
from support.small import GEOMETRY, some_batch

LARGER = replace(GEOMETRY, fx=200.0, fy=200.0, cx=100.0, cy=75.0, width=200, height=150, padding=20)
FIELDS = {"grid": GridField, "mlp": partial(MLPField, width=64, hidden_layers=2)}
PHOTOS = Photos(count=3, height=150, width=200)
RAYS = 600
ESTIMATORS = [type(None), LossGradient, FilteredDepth, TransmittanceGradient]


def make_module(
    field: str, estimator: NormalEstimator | None = None, geometry: MPIGeometry = LARGER
) -> NormNeXModule:
    """Build a model large enough for its tensors to outweigh small allocations."""
    torch.manual_seed(0)
    groups = {"grid": ("alpha", "features"), "mlp": ("network",)}[field]
    return NormNeXModule(
        asdict(geometry),
        FIELDS[field],
        RGBColor(),
        NeuralBasis(ViewQuery()),
        PredictedNormals() if estimator else NoNormals(),
        AdamSettings(dict.fromkeys((*groups, "base_color", "basis"), 1e-3)),
        ExponentialDecay(),
        OpaqueLastPlane(),
        LossWeights(disparity_smoothness=0.1, consistency=0.1 if estimator else 0.0),
        estimator,
        num_layers=4,
        sublayers=4,
    )


def peak_of(prof: torch.profiler.profile) -> int:
    """Return the most bytes that were alive at once, of those allocated while the profiler ran."""
    live = peak = 0
    events = [event for event in prof.profiler.kineto_results.events() if event.name() == "[memory]"]
    for event in sorted(events, key=lambda event: event.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    return peak


def measured_peak(module: NormNeXModule, precision: str) -> int:
    """Return the bytes of a real step without the parameters, the optimiser's state and the photos."""
    module._trainer = SimpleNamespace(log_every_n_steps=0, global_step=0, estimated_stepping_batches=1)
    optimizer = module.configure_optimizers()["optimizer"]
    batch = RayBatch(Rays(*torch.rand(2, RAYS // 3, 3, 3)), torch.rand(RAYS // 3, 3, 3))

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            loss = module.training_step(batch, 0)["loss"]
        optimizer.zero_grad()
        loss.backward()
        module.on_before_optimizer_step(optimizer)
        optimizer.step()

    step()  # the optimiser makes its state
    optimizer.zero_grad()  # what is freed while the profiler runs has to be allocated while it runs
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True, acc_events=True) as profile:
        step()
        step()
    return peak_of(profile)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    ("field", "precision"), [("grid", "32-true"), ("mlp", "32-true"), ("mlp", "bf16-mixed")]
)
def test_the_estimate_of_a_step_is_what_it_takes(
    field: str, precision: str, estimator: type[NormalEstimator] | type[None]
) -> None:
    module = make_module(field, estimator())
    settings = StepSettings(RAYS, precision=precision, on_gpu=False)
    estimate = estimate_training(module, PHOTOS, settings)
    said = estimate.gradients + estimate.activations
    assert said == pytest.approx(measured_peak(module, precision), rel=0.03)
    numbers = sum(parameter.numel() for parameter in module.parameters())
    assert estimate.parameters == pytest.approx(4 * numbers, rel=0.01)
    assert estimate.optimizer == pytest.approx(2 * 4 * numbers, rel=0.01)
    assert estimate.photos == 3 * 150 * 200 * 3


def test_counting_changes_nothing() -> None:
    module = make_module("grid", TransmittanceGradient())
    before = {
        name: value.clone() for name, value in module.state_dict().items() if isinstance(value, torch.Tensor)
    }
    random_state = torch.get_rng_state()
    estimate_training(module, PHOTOS, StepSettings(RAYS, train_chunk_size=RAYS // 2))
    estimate_rendering(module, StepSettings(RAYS))
    assert module.train_chunk_size is None
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(torch.equal(module.state_dict()[name], value) for name, value in before.items())
    assert all(parameter.grad is None for parameter in module.parameters())
    assert module.estimator is not None
    assert module.estimator.kept is None
    assert module._trainer is None


def test_a_step_can_be_taken_after_it_was_counted_along_listed_depths() -> None:
    # Normals of the density ask for the curve of the depths in each step; no other test has these depths.
    geometry = replace(LARGER, near=1.5, far=7.0, spacing=(1.5, 1.75, 2.25, 7.0))
    module = make_module("grid", DensityGradient(), geometry)
    estimate_training(module, PHOTOS, StepSettings(RAYS, on_gpu=False))
    losses = module.ray_losses(some_batch())
    assert type(losses.total) is torch.Tensor
    assert losses.total.isfinite()


@pytest.mark.parametrize("field", list(FIELDS))
def test_the_estimate_of_rendering_is_what_it_takes(field: str) -> None:
    module = make_module(field)
    rays = Rays(*torch.rand(2, RAYS, 3))
    activities = [torch.profiler.ProfilerActivity.CPU]
    with (
        torch.no_grad(),
        torch.profiler.profile(activities=activities, profile_memory=True, acc_events=True) as profile,
    ):
        module.mpi.components(module.mpi.render(rays))
    said = estimate_rendering(module, StepSettings(RAYS, on_gpu=False))
    assert said == pytest.approx(peak_of(profile), rel=0.03)


def test_the_largest_number_of_rays_that_fits() -> None:
    need = [(100, 50 + 3 * 100), (200, 50 + 3 * 200)]
    assert largest(50 + 3 * 1234, need, most=16384) == 1234
    assert largest(10**9, need, most=16384) == 16384
    assert largest(49, need, most=16384) == 0
