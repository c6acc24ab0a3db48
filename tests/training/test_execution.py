"""Ways to run a training step: all give the same losses and gradients."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch.utils._pytree import tree_flatten

from normnex_pl.core.types import RayBatch, Rays
from normnex_pl.model.appearance import NeuralBasis, PredictedNormals, ReflectionQuery, YCbCrColor
from normnex_pl.model.appearance.color import NonnegativeLuma
from normnex_pl.model.fields import GridField
from normnex_pl.normals import (
    DensityDifference,
    DensityGradient,
    FilteredDepth,
    LossGradient,
    NormalEstimator,
    TransmittanceGradient,
)
from normnex_pl.training.execution import CudaGraph, Eager, Execution, FlatLosses
from normnex_pl.training.exposure import AffineExposure, ExposureFactory, SameExposure
from normnex_pl.training.losses import ComparedNormals, LossWeights
from normnex_pl.training.module import AdamSettings, NormNeXModule
from normnex_pl.training.schedules import ExponentialDecay
from support.small import GEOMETRY, excite, some_batch

GROUPS = ("alpha", "base_color", "features", "basis")


def make_module(
    execution: Execution, estimator: NormalEstimator | None = None, exposure: ExposureFactory = SameExposure
) -> NormNeXModule:
    torch.manual_seed(0)
    module = NormNeXModule(
        vars(GEOMETRY),
        partial(GridField, divisors=(2, 1), feature_divisor=2),
        YCbCrColor(NonnegativeLuma()),
        NeuralBasis(ReflectionQuery()),
        PredictedNormals(),
        AdamSettings(dict.fromkeys(GROUPS, 0.01)),
        ExponentialDecay(),
        weights=LossWeights(consistency=0.1 if estimator else 0.0, orientation=0.1, disparity_smoothness=0.1),
        estimator=estimator,
        exposure=exposure,
        execution=execution,
        num_layers=2,
        sublayers=3,
        num_views=4,
    )
    excite(module.mpi.field)
    return module


def moved(batch: RayBatch, device: str) -> RayBatch:
    rays = Rays(batch.rays.origins.to(device), batch.rays.directions.to(device))
    return RayBatch(rays, batch.rgb.to(device), torch.arange(len(batch.rgb), device=device) % 4)


def losses_and_gradients(
    module: NormNeXModule, batch: RayBatch
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    module.zero_grad(set_to_none=True)
    total = module.training_step(batch, 0)["loss"]
    total.backward()
    gradients = {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
    return total.detach().clone(), gradients


DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")),
]
every_estimator = pytest.mark.parametrize(
    "estimator",
    [None, DensityDifference, DensityGradient, LossGradient, FilteredDepth, TransmittanceGradient],
)


@pytest.fixture(autouse=True)
def trainer(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Return what a step needs of its trainer."""
    trainer = SimpleNamespace(global_step=0, log_every_n_steps=0)
    monkeypatch.setattr(NormNeXModule, "trainer", trainer)
    return trainer


@pytest.mark.parametrize("exposure", [SameExposure, AffineExposure])
@every_estimator
@pytest.mark.parametrize("device", DEVICES)
def test_a_graph_computes_what_single_operations_do(
    estimator: Callable[[], NormalEstimator] | None,
    device: str,
    exposure: ExposureFactory,
    trainer: SimpleNamespace,
) -> None:
    """Take several steps, between which the gate opens, targets are refreshed and parameters move."""
    modules = [
        make_module(execution, estimator() if estimator else None, exposure).to(device)
        for execution in (Eager(), CudaGraph())
    ]
    for step in range(4):
        trainer.global_step = 100 * step
        batch = moved(some_batch(seed=step), device)
        results = []
        for module in modules:
            module.mpi.gate.fill_(float(step > 1))
            results.append(losses_and_gradients(module, batch))
            with torch.no_grad():
                for parameter in module.parameters():
                    parameter.add_(0.01)
        (expected, gradients), (total, found) = results
        torch.testing.assert_close(total, expected, rtol=1e-4, atol=1e-6)
        assert set(found) == set(gradients)
        for name, gradient in gradients.items():
            torch.testing.assert_close(found[name], gradient, rtol=1e-2, atol=1e-5, msg=name)


@every_estimator
def test_losses_survive_being_packed_into_a_tuple(estimator: Callable[[], NormalEstimator] | None) -> None:
    """Pack them as they pass through a graph."""
    module = make_module(Eager(), estimator() if estimator else None)
    batch = some_batch()
    values, structure = tree_flatten(batch)
    packed = FlatLosses(module.ray_losses, module.mpi, structure)
    found = packed.result(packed(*values))
    expected = module.ray_losses(batch)
    torch.testing.assert_close(found.total, expected.total)
    torch.testing.assert_close(found.losses, expected.losses)
    assert list(found.losses) == list(expected.losses)
    assert (found.normals is None) == (estimator is None)
    if estimator:
        assert isinstance(found.normals, ComparedNormals)
        torch.testing.assert_close(vars(found.normals), vars(expected.normals))


def test_a_graph_is_neither_copied_nor_stored() -> None:
    execution = CudaGraph()
    assert isinstance(copy.deepcopy(execution), CudaGraph)
    assert isinstance(pickle.loads(pickle.dumps(execution)), CudaGraph)
