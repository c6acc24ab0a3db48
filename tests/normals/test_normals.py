"""Parts of the estimators of normals, each against a library or by hand; and what all of them promise."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from normnex_pl.core.rendering import RenderOutput
from normnex_pl.core.types import RayBatch, Rays
from normnex_pl.geometry.layout import PlaneLayout
from normnex_pl.model.appearance import (
    NeuralBasis,
    NonnegativeLuma,
    NoNormals,
    PredictedNormals,
    ReflectionQuery,
    RGBColor,
    ViewQuery,
    YCbCrColor,
)
from normnex_pl.model.fields import GridField, MLPField
from normnex_pl.model.mpi import MPI
from normnex_pl.normals import (
    DensityDifference,
    DensityGradient,
    FilteredDepth,
    LossGradient,
    NormalEstimator,
    RenderedDepth,
    TransmittanceGradient,
)
from normnex_pl.normals.base import composite_on_layers, first_of_triplets, unit_normals
from normnex_pl.normals.density_difference import solve3
from normnex_pl.training.losses import RAY_LOSSES, LossWeights
from normnex_pl.training.module import AdamSettings, NormNeXModule
from normnex_pl.training.schedules import ExponentialDecay
from support.small import FIELDS, GEOMETRY, LAYERS, SUBLAYERS, excite, few, make_mpi, some_batch

ESTIMATORS: list[Callable[[], NormalEstimator]] = [
    DensityDifference,
    DensityGradient,
    FilteredDepth,
    LossGradient,
    RenderedDepth,
    TransmittanceGradient,
]
CPU = torch.device("cpu")

every_estimator = pytest.mark.parametrize("make", ESTIMATORS)
every_field = pytest.mark.parametrize("kind", FIELDS)
of_volumes = pytest.mark.parametrize("make", [FilteredDepth, TransmittanceGradient])


def rendered_of(mpi: MPI, batch: RayBatch) -> RenderOutput:
    return mpi.render(Rays(batch.rays.origins.flatten(0, 1), batch.rays.directions.flatten(0, 1)))


def estimated(estimator: NormalEstimator, mpi: MPI, batch: RayBatch) -> Tensor:
    return estimator(mpi, batch, rendered_of(mpi, batch))


def set_opacity(mpi: MPI, raw: float) -> None:
    """Give all planes one raw opacity."""
    field = mpi.field
    with torch.no_grad():
        if isinstance(field, GridField):
            for level in field.alpha:
                level.zero_()
            field.alpha[0].fill_(raw)
        else:
            assert isinstance(field, MLPField)
            field.alpha_head.weight.zero_()
            field.alpha_head.bias.fill_(raw)


def single_plane(kind: str) -> MPI:
    torch.manual_seed(0)
    mpi = MPI(PlaneLayout(GEOMETRY, 1, 1), FIELDS[kind], RGBColor(), NeuralBasis(ViewQuery()), NoNormals())
    excite(mpi.field)
    return mpi


class TestWhatAllPromise:
    @every_field
    @every_estimator
    @pytest.mark.parametrize("content", ["varied", "empty", "opaque", "single plane"])
    def test_targets_are_finite_unit_normals_of_the_layers(
        self, kind: str, make: Callable[[], NormalEstimator], content: str
    ) -> None:
        mpi = single_plane(kind) if content == "single plane" else make_mpi(kind)
        if content in ("empty", "opaque"):
            set_opacity(mpi, -200 if content == "empty" else 200)
        for triplets in (1, 12):
            normals = estimated(make(), mpi, some_batch(triplets)).detach()
            assert normals.shape == (triplets, mpi.num_layers, 3)
            assert normals.isfinite().all()
            torch.testing.assert_close(normals.norm(dim=-1), torch.ones(triplets, mpi.num_layers))

    @every_estimator
    def test_nothing_at_all_faces_the_camera(self, make: Callable[[], NormalEstimator]) -> None:
        mpi = make_mpi("grid")
        set_opacity(mpi, -200)
        normals = estimated(make(), mpi, some_batch()).detach()
        expected = torch.tensor([0.0, 0, -1]).expand_as(normals)
        torch.testing.assert_close(normals, expected, rtol=0, atol=1e-3)

    @every_estimator
    def test_triplets_without_any_extent_spoil_nothing(self, make: Callable[[], NormalEstimator]) -> None:
        batch = some_batch()
        rays = Rays(batch.rays.origins, batch.rays.directions[:, :1].expand(-1, 3, -1))
        normals = estimated(make(), make_mpi("grid"), RayBatch(rays, batch.rgb)).detach()
        torch.testing.assert_close(normals.norm(dim=-1), torch.ones(12, LAYERS))

    @every_field
    @every_estimator
    def test_estimating_needs_no_gradients_and_leaves_none(
        self, kind: str, make: Callable[[], NormalEstimator]
    ) -> None:
        """Training detaches targets by switching autograd off, which those made of gradients switch on."""
        mpi = make_mpi(kind)
        batch = some_batch()
        rendered = rendered_of(mpi, batch)
        with torch.no_grad():
            normals = make()(mpi, batch, rendered)
        assert not normals.requires_grad
        assert all(parameter.grad is None for parameter in mpi.parameters())
        attached = make()(mpi, batch, rendered).detach()
        torch.testing.assert_close(normals, attached)

    @of_volumes
    def test_a_volume_stays_until_it_is_refreshed(self, make: Callable[[], NormalEstimator]) -> None:
        mpi, batch = make_mpi("grid"), some_batch()
        estimator = make()
        before = estimated(estimator, mpi, batch)
        excite_again(mpi)
        assert torch.equal(estimated(estimator, mpi, batch), before)
        estimator.refresh(mpi)
        after = estimated(estimator, mpi, batch)
        assert (after - before).abs().max() > 0.01
        assert torch.equal(after, estimated(make(), mpi, batch))

    @of_volumes
    def test_a_volume_survives_a_round_trip_through_the_state(
        self, make: Callable[[], NormalEstimator]
    ) -> None:
        """Load it into estimators without a volume, or with one of another size; then load none."""
        mpi, batch = make_mpi("grid"), some_batch()
        estimator, other = make(), make()
        fresh = other.state_dict()
        assert fresh == {}
        assert list(other.buffers()) == []
        before = estimated(estimator, mpi, batch)
        excite_again(mpi)
        for room in (None, torch.zeros(1, 3, 1, 1), torch.ones_like(estimator.state_dict()["kept"])):
            other.kept = room
            other.load_state_dict(estimator.state_dict())
            assert torch.equal(estimated(other, mpi, batch), before)
        other.load_state_dict(fresh)
        assert other.kept is None

    @of_volumes
    def test_a_refresh_writes_where_the_last_one_did(self, make: Callable[[], NormalEstimator]) -> None:
        """A recorded graph goes on reading there."""
        mpi, estimator = make_mpi("grid"), make()
        estimator.refresh(mpi)
        assert estimator.kept is not None
        address = estimator.kept.data_ptr()
        excite_again(mpi)
        estimator.refresh(mpi)
        assert estimator.kept.data_ptr() == address


def excite_again(mpi: MPI) -> None:
    """Give the finest opacities other values."""
    assert isinstance(mpi.field, GridField)
    with torch.no_grad():
        level = mpi.field.alpha[2]
        level.copy_(4 * torch.randn(level.shape, generator=torch.Generator().manual_seed(5)))


class TestConsistency:
    def module(self, estimator: NormalEstimator, patch: pytest.MonkeyPatch) -> NormNeXModule:
        torch.manual_seed(0)
        module = NormNeXModule(
            vars(GEOMETRY),
            FIELDS["grid"],
            YCbCrColor(NonnegativeLuma()),
            NeuralBasis(ReflectionQuery()),
            PredictedNormals(),
            AdamSettings(dict.fromkeys(("alpha", "base_color", "features", "basis"), 0.1)),
            ExponentialDecay(),
            weights=LossWeights(consistency=1.0),
            estimator=estimator,
            num_layers=LAYERS,
            sublayers=SUBLAYERS,
        )
        excite(module.mpi.field)
        patch.setattr(NormNeXModule, "trainer", SimpleNamespace(global_step=0, log_every_n_steps=0))
        return module

    @every_estimator
    def test_targets_are_not_pulled_towards_predictions(
        self, make: Callable[[], NormalEstimator], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = self.module(make(), monkeypatch)
        RAY_LOSSES["consistency"](module.ray_terms(some_batch())).backward()
        assert isinstance(module.mpi.field, GridField)
        grad = module.mpi.field.features.grad
        assert grad is not None
        assert grad[:, -3:].abs().max() > 0
        assert (grad[:, :-3] == 0).all()
        assert all(level.grad is None for level in module.mpi.field.alpha)


class TestVectors:
    @few
    @given(st.integers(0, 1000), st.floats(-9, 9))
    def test_directions_of_any_length_are_normalised(self, seed: int, exponent: float) -> None:
        generator = torch.Generator().manual_seed(seed)
        vectors = nn.functional.normalize(torch.randn(5, 3, generator=generator), dim=-1)
        torch.testing.assert_close(unit_normals(vectors * 10**exponent), vectors, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("nothing", [0.0, 1e-30, torch.nan, torch.inf])
    def test_what_is_no_direction_faces_the_camera(self, nothing: float) -> None:
        found = unit_normals(torch.full((2, 3), nothing))
        assert torch.equal(found, torch.tensor([[0.0, 0, -1]] * 2))

    def test_normals_of_layers_are_their_planes_by_weight(self) -> None:
        normals = torch.tensor([[[1.0, 0, 0], [0, 1, 0], [0, 0, -1], [0, 0, 1]]])
        weights = torch.tensor([[0.3, 0.4, 0.0, 0.0]])
        found = composite_on_layers(weights, normals, num_layers=2)
        torch.testing.assert_close(found, torch.tensor([[[0.6, 0.8, 0], [0, 0, -1.0]]]))

    def test_the_first_rays_of_triplets(self) -> None:
        assert first_of_triplets(torch.arange(6.0)).tolist() == [0, 3]

    def test_three_equations_are_solved_as_lapack_does(self) -> None:
        generator = torch.Generator().manual_seed(0)
        rows = torch.randn(20, 4, 3, 3, generator=generator, dtype=torch.float64)
        right_side = torch.randn(20, 4, 3, generator=generator, dtype=torch.float64)
        torch.testing.assert_close(solve3(rows, right_side), torch.linalg.solve(rows, right_side))
        assert (solve3(torch.ones(2, 3, 3), torch.ones(2, 3)) == 0).all()
