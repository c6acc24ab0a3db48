"""Density of planes: closed forms, the optimum of a general solver, and Lloyd's quantiser."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize

from normnex_pl.core.errors import UserError
from normnex_pl.data.planes.quantisation import PlaneQuantizer

NEAR, FAR = 1.5, 9.0
UNLIMITED = PlaneQuantizer(widest=1e6, narrowest=1e-6, blur=0.0)
few = settings(max_examples=25, deadline=None)
histograms = st.lists(st.floats(0, 100), min_size=4, max_size=24).filter(lambda values: sum(values) > 1e-3)


def even_disparities(count: int = 200_000) -> NDArray[np.float64]:
    """Return midpoints of equal steps of disparity."""
    return 1 / FAR + (np.arange(count) + 0.5) / count * (1 / NEAR - 1 / FAR)


def test_content_that_is_even_in_disparity_gets_planes_uniform_in_disparity() -> None:
    disparities = even_disparities()
    depths = PlaneQuantizer()(disparities, np.ones(len(disparities)), NEAR, FAR, 33)
    np.testing.assert_allclose(1 / depths, np.linspace(1 / NEAR, 1 / FAR, 33), rtol=1e-3)


@pytest.mark.parametrize("power", [-2.0, 1.0, 4.0])
def test_planes_follow_the_cube_root_of_what_is_seen(power: float) -> None:
    """Content s^m has a density s^(m/3) of planes, whose integral is s^(m/3 + 1); even in depth, m is -2."""
    disparities = even_disparities()
    depths = UNLIMITED(disparities, disparities**power, NEAR, FAR, 33)
    exponent = power / 3 + 1
    ends = np.array([1 / NEAR, 1 / FAR]) ** exponent
    expected = np.linspace(*ends, 33) ** (1 / exponent)
    np.testing.assert_allclose(1 / depths, expected, rtol=1e-3)


@pytest.mark.parametrize("limits", [(1e3, 1e-3), (1.5, 0.5)])
@pytest.mark.parametrize("seed", range(3))
def test_no_density_within_the_limits_has_less_error(limits: tuple[float, float], seed: int) -> None:
    """Minimise the sum of content / density^2 under a mean of 1 by a general solver."""
    content = np.random.default_rng(seed).uniform(0.05, 10, 6) ** 2
    widest, narrowest = limits
    found = PlaneQuantizer(widest=widest, narrowest=narrowest, blur=0.0).density(content)
    best = minimize(
        lambda density: (content / density**2).sum() / content.sum(),
        np.ones(6),
        bounds=[(1 / widest, 1 / narrowest)] * 6,
        constraints={"type": "eq", "fun": lambda density: density.mean() - 1},
        options={"maxiter": 500, "ftol": 1e-12},
    )
    np.testing.assert_allclose(found, best.x, rtol=5e-3)


def mean_square(
    places: NDArray[np.float64], weights: NDArray[np.float64], planes: NDArray[np.float64]
) -> float:
    """Return the mean squared distance of content from the nearest plane."""
    return float(np.average(np.square(places[:, None] - planes).min(axis=1), weights=weights))


def lloyd(
    places: NDArray[np.float64], weights: NDArray[np.float64], planes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Move planes to the centroids of what is nearest to them, until they rest."""
    for _ in range(2000):
        nearest = np.abs(places[:, None] - planes).argmin(axis=1)
        mass = np.bincount(nearest, weights, len(planes))
        centroids = np.bincount(nearest, weights * places, len(planes)) / np.maximum(mass, 1e-12)
        planes = np.where(mass > 0, centroids, planes)
    return planes


@pytest.mark.parametrize("seed", range(3))
def test_planes_are_nearly_as_good_as_those_of_lloyds_algorithm(seed: int) -> None:
    """Lloyd's has no planes at the bounds, so that its step can be smaller by two of 23."""
    rng = np.random.default_rng(seed)
    places = even_disparities(600)
    share = (places - places[0]) / np.ptp(places)
    weights = 0.02 + sum(np.exp(-0.5 * ((share - rng.random()) / 0.06) ** 2) for _ in range(2))
    found = 1 / UNLIMITED(places, weights, NEAR, FAR, 24)
    best = lloyd(places, weights, found)
    assert mean_square(places, weights, found) <= (23 / 21) ** 2 * mean_square(places, weights, best)
    even = np.linspace(1 / NEAR, 1 / FAR, 24)
    assert mean_square(places, weights, found) < 0.8 * mean_square(places, weights, even)


@few
@given(
    content=histograms,
    widest=st.floats(1, 10),
    narrowest=st.floats(0.05, 1),
    blur=st.floats(0, 0.3),
    count=st.integers(2, 200),
    far=st.floats(1.6, 1e3),
)
def test_depths_increase_between_their_bounds_within_the_limits(
    content: list[float], widest: float, narrowest: float, blur: float, count: int, far: float
) -> None:
    quantizer = PlaneQuantizer(widest=widest, narrowest=narrowest, blur=blur)
    disparities = 1 / far + (np.arange(len(content)) + 0.5) / len(content) * (1 / NEAR - 1 / far)
    depths = quantizer(disparities, np.array(content), NEAR, far, count)
    assert depths[0] == NEAR
    assert depths[-1] == far
    assert (np.diff(depths) > 0).all()
    steps = -np.diff(1 / depths) / ((1 / NEAR - 1 / far) / (count - 1))
    assert steps.max() <= widest * 1.001
    assert steps.min() >= narrowest * 0.999


@few
@given(content=histograms, factor=st.floats(1e-6, 1e6))
def test_the_unit_of_the_content_does_not_matter(content: list[float], factor: float) -> None:
    quantizer, values = PlaneQuantizer(), np.array(content)
    np.testing.assert_allclose(quantizer.density(factor * values), quantizer.density(values), rtol=1e-6)
    assert quantizer.density(values).mean() == pytest.approx(1, rel=1e-6)


def test_nothing_seen_gives_planes_uniform_in_disparity() -> None:
    depths = PlaneQuantizer()(np.zeros(0), np.zeros(0), NEAR, FAR, 9)
    np.testing.assert_allclose(1 / depths, np.linspace(1 / NEAR, 1 / FAR, 9))


@pytest.mark.parametrize(
    "options", [{"widest": 0.9}, {"narrowest": 0.0}, {"narrowest": 1.1}, {"exponent": -1.0}, {"blur": 2.0}]
)
def test_impossible_limits_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(UserError, match=r"data\.placement\.quantizer: expected .* found"):
        PlaneQuantizer(**options)
