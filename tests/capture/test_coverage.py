"""Measurements of a capture, and the report of them."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from capture.rendering import look_at
from normnex_pl.capture.coverage import Coverage, measure_coverage
from normnex_pl.capture.exposure import exposure_offsets
from normnex_pl.capture.findings import RegisteredPhotos, focal_warning, warnings_of, why_not_facing
from normnex_pl.capture.model_files import ModelFacts
from normnex_pl.data.photos.intrinsics import CameraIntrinsics
from normnex_pl.data.readers.colmap_model import SparsePoints

LENS = CameraIntrinsics(width=1000.0, height=750.0, fx=800.0, fy=800.0, cx=500.0, cy=375.0)


def seen_by_all(xyz: NDArray[np.float64], observers: NDArray[np.int64]) -> SparsePoints:
    """Return points that every camera sees."""
    observed = np.tile(np.arange(len(xyz)), len(observers))
    return SparsePoints(xyz=xyz, observed=observed, observer=np.repeat(observers, len(xyz)))


def arc(degrees: float, count: int = 11) -> NDArray[np.float64]:
    """Return cameras on an arc of radius 4 about the origin, which they look at."""
    angles = np.radians(np.linspace(-degrees / 2, degrees / 2, count))
    places = 4 * np.stack([np.sin(angles), np.zeros(count), -np.cos(angles)], axis=1)
    return np.stack([look_at(place, np.zeros(3)) for place in places])


def measured(c2w: NDArray[np.float64], xyz: NDArray[np.float64]) -> Coverage:
    observers = np.random.default_rng(0).permutation(len(c2w)) + 5
    return measure_coverage(c2w, observers, seen_by_all(xyz, observers), LENS)


def blob(seed: int = 0) -> NDArray[np.float64]:
    """Return points about the origin, the same on all sides."""
    xyz = np.random.default_rng(seed).normal(scale=0.1, size=(200, 3))
    return np.concatenate([xyz, -xyz])


@settings(max_examples=25, deadline=None)
@given(st.floats(5, 175))
def test_the_angles_of_an_arc_are_its_angle(degrees: float) -> None:
    coverage = measured(arc(degrees), blob())
    np.testing.assert_allclose([coverage.turn, coverage.around], degrees, rtol=1e-3)
    assert coverage.usual_turn < coverage.turn
    np.testing.assert_allclose(coverage.ray_angle, degrees, rtol=0.05)


@pytest.mark.parametrize(("degrees", "facing"), [(20, True), (60, True), (120, False), (170, False)])
def test_only_captures_from_one_side_pass(degrees: float, facing: bool) -> None:
    assert (why_not_facing(measured(arc(degrees), blob())) is None) == facing


def test_a_circle_is_refused_from_any_height() -> None:
    for height in (0.0, 2.0, 4.0):
        angles = np.linspace(0, 2 * np.pi, 20, endpoint=False)
        places = np.stack([4 * np.sin(angles), np.full(20, -height), 4 * np.cos(angles)], axis=1)
        c2w = np.stack([look_at(place, np.zeros(3)) for place in places])
        assert "goes around the scene" in str(why_not_facing(measured(c2w, blob())))


def test_parallax_is_the_disparity_of_the_depths_between_the_outermost_cameras() -> None:
    # Three cameras in a row, 0.1 apart, that look along z at planes of depths 2 and 4.
    c2w = np.stack([np.column_stack([np.eye(3), [0.1 * i, 0, 0]]) for i in range(3)])
    depths = np.repeat([2.0, 4.0], 100)
    xyz = np.column_stack([np.random.default_rng(0).uniform(-1, 1, (200, 2)), depths])
    coverage = measured(c2w, xyz)
    np.testing.assert_allclose(coverage.parallax, 0.2 * 0.8 * (1 / 2 - 1 / 4))
    np.testing.assert_allclose(coverage.gap, 0.1 * 0.8 * (1 / 2 - 1 / 4))
    assert coverage.turn == pytest.approx(0, abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), photo=st.integers(0, 7), stops=st.sampled_from([-0.8, -0.4, 0.4, 0.8]))
def test_a_photo_of_other_exposure_is_found_by_its_points(seed: int, photo: int, stops: float) -> None:
    rng = np.random.default_rng(seed)
    points = rng.uniform(60, 130, (300, 3))
    observed = np.tile(np.arange(300), 8)
    photos = np.repeat(np.arange(8), 300)
    gains = np.zeros(8)
    gains[photo] = stops
    noise = rng.normal(1, 0.02, (2400, 3))
    colors = np.clip(points[observed] * 2 ** (gains[photos, None] / 2.2) * noise, 0, 255)
    found = exposure_offsets(colors, observed, photos, 8)
    np.testing.assert_allclose(found, gains, atol=0.06)


def test_photos_of_which_too_little_is_known_get_no_exposure() -> None:
    assert exposure_offsets(np.zeros((0, 3)), np.zeros(0, int), np.zeros(0, int), 2).tolist() == [0, 0]
    clipped = np.full((100, 3), 255.0)
    assert exposure_offsets(clipped, np.arange(100) // 2, np.arange(100) % 2, 2).tolist() == [0, 0]


NAMES = tuple(f"{number}.jpg" for number in range(20))
FINE = ModelFacts(LENS, error=0.5, track=4.0, sizes=(20,), pairs=190, stops={})
PHOTOS = RegisteredPhotos(NAMES, np.full(20, 100.0), np.zeros(20))


def facing() -> Coverage:
    """Return the coverage of a capture as it should be."""
    return Coverage(20.0, 15.0, 20.0, 15.0, 0.3, 0.2, (0.03,) * 20, 6.0)


def test_of_a_good_capture_nothing_is_said() -> None:
    assert warnings_of(FINE, facing(), PHOTOS, ()) == []
    assert why_not_facing(facing()) is None
    assert focal_warning(NAMES, [None] * 20) is None
    assert focal_warning(NAMES, [0.6] * 19 + [0.61]) is None


def test_every_fault_is_named_once() -> None:
    def few(count: int) -> tuple[Coverage, RegisteredPhotos]:
        coverage = replace(facing(), gap=(0.03,) * count)
        return coverage, RegisteredPhotos(NAMES[:count], np.full(count, 100.0), np.zeros(count))

    blurred = np.full(20, 100.0)
    blurred[7] = 20
    dark = np.zeros(20)
    dark[3], dark[9] = -0.5, 1.2
    gap = (0.2, *(0.03,) * 19)
    for found, expected in (
        (warnings_of(FINE, facing(), PHOTOS, ("x.jpg",)), r"could not be placed .* \(1\): x.jpg"),
        (warnings_of(replace(FINE, sizes=(20, 5)), facing(), PHOTOS, ()), "2 models of 20, 5 photos"),
        (warnings_of(FINE, *few(10), ()), "10 photos are few"),
        (warnings_of(replace(FINE, error=1.4), facing(), PHOTOS, ()), "error is 1.40 pixels"),
        (warnings_of(FINE, replace(facing(), parallax=0.01), PHOTOS, ()), "little parallax"),
        (warnings_of(FINE, replace(facing(), ray_angle=1.0), PHOTOS, ()), "little parallax"),
        (warnings_of(FINE, replace(facing(), turn=50.0), PHOTOS, ()), "directions up to 50 degrees apart"),
        (warnings_of(FINE, replace(facing(), gap=gap), PHOTOS, ()), r"far from all others \(1\).*: 0.jpg"),
        (
            warnings_of(FINE, facing(), replace(PHOTOS, sharpness=blurred), ()),
            r"blurred photos.* \(1\): 7.jpg",
        ),
        (
            warnings_of(FINE, facing(), replace(PHOTOS, stops=dark), ()),
            r"photos exposed .* \(2\): 9.jpg \(\+1.2\), 3.jpg \(-0.5\)",
        ),
        ([focal_warning(NAMES, [0.6] * 18 + [0.3, None])], r"another lens or zoom \(1\).*: 18.jpg"),
    ):
        (sentence,) = found
        assert sentence is not None
        assert re.search(expected, sentence), sentence
