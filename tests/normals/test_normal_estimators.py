"""Errors of estimated normals of a tilted plane and a ball, given as volumes and learned.

All forms of an estimator have to be good where they can be; where one can't, the test says by how much it
fails and why, so that nobody takes its targets for the truth, and an improvement shows. Angles are in
degrees; (0, 0, -1) everywhere is 33 off the plane and 21 off the ball.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
import torch

from normnex_pl.evaluation.metrics import psnr
from normnex_pl.geometry.cameras import image_rays
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
from support.learned import TRAINED, Score, cameras_around, photographed, score, trained_mpi
from support.solids import SURFACES, VOLUMES, volume_mpi

either_surface = pytest.mark.parametrize("surface", SURFACES)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Use one thread: at this size threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@cache
def model_of(surface: str, kind: str) -> MPI:
    """Return the multiplane image of a surface; those that are trained cost seconds."""
    if kind == "trained":
        return trained_mpi(SURFACES[surface])
    volume, _, colours = kind.partition(" ")
    return volume_mpi(VOLUMES[volume](SURFACES[surface]), textured=colours != "flat")


def scored(surface: str, kind: str, estimator: type[NormalEstimator]) -> Score:
    return score(model_of(surface, kind), SURFACES[surface], estimator())


@either_surface
def test_the_trained_images_show_their_scenes_from_elsewhere(surface: str) -> None:
    camera = cameras_around(TRAINED, 2, spread=0.2, seed=9)[1]
    rendered = model_of(surface, "trained").render_image(camera)["rgb"]
    assert psnr(rendered, photographed(SURFACES[surface], image_rays(camera))) > 23


# Estimators that work, by the largest share of the constant's error that they may have.
WORKS: list[tuple[str, type[NormalEstimator], float]] = [
    # A density that grows over several planes can be differentiated in any way.
    ("soft", DensityDifference, 0.28),
    ("soft", DensityGradient, 0.27),
    ("soft flat", LossGradient, 0.25),
    ("soft", RenderedDepth, 0.23),
    ("soft", FilteredDepth, 0.16),
    ("soft", TransmittanceGradient, 0.24),
    # Two neighbouring planes that share a surface have its depth for their mean.
    ("shell", RenderedDepth, 0.25),
    ("split", RenderedDepth, 0.25),
    # Transmittance and depth only look at what comes first: a shell is as good as a solid.
    ("shell", FilteredDepth, 0.33),
    ("split", FilteredDepth, 0.33),
    ("voxels", FilteredDepth, 0.33),
    ("shell", TransmittanceGradient, 0.13),
    ("split", TransmittanceGradient, 0.13),
    ("voxels", TransmittanceGradient, 0.13),
    ("trained", FilteredDepth, 0.8),
    ("trained", TransmittanceGradient, 0.8),
]

# Estimators that fail: their error, and the share of the weight whose targets face away.
FAILS: list[tuple[str, type[NormalEstimator], tuple[float, float], tuple[float, float]]] = [
    # Behind a shell the density falls. Most of the weight is on its last plane, where the difference to
    # the next one, and the slope between grid points, point forwards.
    ("shell", DensityDifference, (90, 135), (0.85, 1)),
    ("split", DensityDifference, (95, 140), (0.85, 1)),
    ("shell", DensityGradient, (100, 140), (0.85, 1)),
    ("split", DensityGradient, (105, 145), (0.85, 1)),
    ("shell", LossGradient, (95, 135), (0.85, 1)),
    ("split", LossGradient, (100, 140), (0.85, 1)),
    # Within a block nothing changes: which way a step between voxels faces is decided by rounding errors.
    ("voxels", DensityDifference, (60, 135), (0.4, 0.9)),
    ("voxels", DensityGradient, (95, 150), (0.7, 1)),
    ("voxels", LossGradient, (70, 105), (0.35, 0.7)),
    # Steps of a whole plane between neighbouring pixels, and none next to them.
    ("voxels", RenderedDepth, (10, 26), (0, 0.01)),
    # The colour's own gradient outweighs that of the density.
    ("soft", LossGradient, (48, 78), (0, 0.1)),
    # Learned opacities are a noisy mixture of all these.
    ("trained", DensityDifference, (58, 95), (0.15, 0.5)),
    ("trained", DensityGradient, (58, 95), (0.15, 0.5)),
    ("trained", LossGradient, (70, 100), (0.1, 0.4)),
    ("trained", RenderedDepth, (32, 68), (0, 0.01)),
]


def _name(value: object) -> str | None:
    return value.__name__ if isinstance(value, type) else None


@either_surface
@pytest.mark.parametrize(("kind", "estimator", "share"), WORKS, ids=_name)
def test_estimators_find_the_normals(
    surface: str, kind: str, estimator: type[NormalEstimator], share: float
) -> None:
    found = scored(surface, kind, estimator)
    assert found.constant > 20
    assert found.degrees < share * found.constant
    assert found.away < 0.01


@either_surface
@pytest.mark.parametrize(("kind", "estimator", "degrees", "away"), FAILS, ids=_name)
def test_estimators_fail_by_so_much(
    surface: str,
    kind: str,
    estimator: type[NormalEstimator],
    degrees: tuple[float, float],
    away: tuple[float, float],
) -> None:
    found = scored(surface, kind, estimator)
    assert degrees[0] < found.degrees < degrees[1]
    assert away[0] <= found.away <= away[1]


@either_surface
def test_what_works_on_learned_opacities_beats_what_does_not(surface: str) -> None:
    """Require a factor of two, which neither the constant nor a wrong sign would reach."""
    plain = [scored(surface, "trained", form).degrees for form in (DensityDifference, RenderedDepth)]
    robust = [scored(surface, "trained", form).degrees for form in (FilteredDepth, TransmittanceGradient)]
    assert 2 * max(robust) < min(plain)
