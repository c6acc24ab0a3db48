"""Undistortion: that a photo through a lens becomes the photo that the pinhole takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kornia.geometry.calibration import undistort_points
from numpy.typing import NDArray

from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.intrinsics import CameraIntrinsics, check_aspect, check_intrinsics
from normnex_pl.data.photos.undistortion import undistort, undistortion

WIDTH, HEIGHT = 80, 60
PINHOLE = CameraIntrinsics(width=80.0, height=60.0, fx=70.0, fy=72.0, cx=41.0, cy=29.0)
DISTORTIONS = {
    "barrel": (-0.15,),
    "pincushion": (0.15, 0.02),
    "tangential": (0.0, 0.0, 0.01, -0.008),
    "opencv": (-0.1, 0.05, 0.004, -0.003),
    "third radial": (-0.1, 0.05, 0.001, 0.002, 0.03),
    "rational": (0.2, 0.03, 0.001, 0.001, 0.01, 0.25, 0.02, 0.01),
}


def centres(width: int, height: int) -> NDArray[np.float64]:
    """Return pixel centres, [height, width, 2]."""
    u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    return np.stack([u, v], axis=-1)


def directions(lens: CameraIntrinsics, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points on the plane z = 1 that a lens shows at pixels: OpenCV's formula, solved by iterating."""
    target = (pixels - [lens.cx, lens.cy]) / [lens.fx, lens.fy]
    k1, k2, p1, p2, k3, k4, k5, k6 = (*lens.distortion, *[0.0] * 8)[:8]
    x, y = np.moveaxis(target.copy(), -1, 0)
    for _ in range(100):
        r2 = x * x + y * y
        radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
        dx = 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
        dy = p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
        x, y = (target[..., 0] - dx) / radial, (target[..., 1] - dy) / radial
    return np.stack([x, y], axis=-1)


def seen(rays: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the colour of the world in a direction, smooth, 0 to 255."""
    x, y = np.moveaxis(rays, -1, 0)
    waves = [np.sin(9 * x + 2 * y), np.cos(8 * y - x), np.sin(7 * (x + y))]
    return 127.5 + 120 * np.stack(waves, axis=-1)


@pytest.mark.parametrize("name", DISTORTIONS)
def test_undistorted_photo_is_the_one_that_the_pinhole_takes(name: str) -> None:
    lens = replace(PINHOLE, distortion=DISTORTIONS[name])
    photo = seen(directions(lens, centres(WIDTH, HEIGHT))).round().astype(np.uint8)
    mapping = undistortion("here", lens)
    found = undistort(torch.from_numpy(photo), mapping).numpy().astype(float)
    K = mapping.pinhole.matrix
    expected = seen((centres(WIDTH, HEIGHT) - K[:2, 2]) / [K[0, 0], K[1, 1]])
    # Rounded twice, and interpolated. Half a pixel more or less would be 4 to 8 steps.
    assert np.abs(found - expected).mean() < 0.6
    assert np.abs(found - expected).max() < 6


@pytest.mark.parametrize("name", DISTORTIONS)
def test_nothing_outside_the_photo_is_seen_and_no_border_is_wasted(name: str) -> None:
    mapping = undistortion("here", replace(PINHOLE, distortion=DISTORTIONS[name]))
    places = (mapping.grid.numpy() + 1) / 2 * [WIDTH, HEIGHT]
    assert (places > 0.5 - 1e-3).all()
    assert (places < np.array([WIDTH, HEIGHT]) - 0.5 + 1e-3).all()
    gaps = [places.min(axis=(0, 1)) - 0.5, np.array([WIDTH, HEIGHT]) - 0.5 - places.max(axis=(0, 1))]
    assert np.min(gaps) < 1e-3, "touches a border"


def test_the_pinhole_keeps_centre_and_shape_of_pixels() -> None:
    K = undistortion("here", replace(PINHOLE, distortion=(-0.2, 0.05))).pinhole.matrix
    np.testing.assert_allclose(K[:2, 2], [41, 29])
    np.testing.assert_allclose(K[0, 0] / K[1, 1], 70 / 72)
    assert K[0, 0] < 70, "a barrel lens sees more than a pinhole of its focal length"
    assert undistortion("here", replace(PINHOLE, distortion=(0.2,))).pinhole.fx > 70


def test_places_agree_with_colmap() -> None:
    pycolmap = pytest.importorskip("pycolmap", reason="pycolmap is not installed")
    values = DISTORTIONS["opencv"]
    parameters = [PINHOLE.fx, PINHOLE.fy, PINHOLE.cx, PINHOLE.cy, *values]
    camera = pycolmap.Camera(model="OPENCV", width=WIDTH, height=HEIGHT, params=parameters)
    mapping = undistortion("here", replace(PINHOLE, distortion=values))
    K = mapping.pinhole.matrix
    rays = ((centres(WIDTH, HEIGHT) - K[:2, 2]) / [K[0, 0], K[1, 1]]).reshape(-1, 2)
    expected = camera.img_from_cam(np.concatenate([rays, np.ones((len(rays), 1))], axis=1))
    places = (mapping.grid.numpy().reshape(-1, 2) + 1) / 2 * [WIDTH, HEIGHT]
    np.testing.assert_allclose(places, expected, atol=1e-4)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    k1=st.floats(-0.1, 0.2),
    k2=st.floats(-0.02, 0.05),
    tangential=st.tuples(st.floats(-0.005, 0.005), st.floats(-0.005, 0.005)),
    size=st.tuples(st.integers(20, 50), st.integers(20, 50)),
)
def test_places_go_back_to_the_pixels_they_come_from(
    k1: float, k2: float, tangential: tuple[float, float], size: tuple[int, int]
) -> None:
    width, height = size
    lens = CameraIntrinsics(
        *map(float, (*size, max(size), max(size), width / 2 + 1, height / 2)), (k1, k2, *tangential)
    )
    mapping = undistortion("here", lens)
    places = (mapping.grid.reshape(-1, 2).double() + 1) / 2 * torch.tensor(size)
    K = torch.from_numpy(lens.matrix)
    coefficients = torch.tensor(lens.distortion, dtype=torch.float64)
    back = undistort_points(places, K, coefficients, torch.from_numpy(mapping.pinhole.matrix), num_iters=50)
    np.testing.assert_allclose(back, centres(width, height).reshape(-1, 2), atol=1e-3)


def test_distortion_is_the_same_at_every_size() -> None:
    lens = replace(PINHOLE, distortion=DISTORTIONS["opencv"])
    full = undistortion("here", lens)
    half = undistortion("here", lens.scaled_to(WIDTH // 2, HEIGHT // 2))
    # Borders are compared at pixel centres, which lie further inside in a small photo.
    np.testing.assert_allclose(half.pinhole.matrix[:2], full.pinhole.matrix[:2] / 2, rtol=0.02)
    stretched = replace(lens, width=160.0, fx=140.0, cx=82.0)
    wide = undistortion("here", stretched.scaled_to(WIDTH, HEIGHT))
    np.testing.assert_allclose(wide.pinhole.matrix, full.pinhole.matrix)
    np.testing.assert_allclose(wide.grid, full.grid)


@pytest.mark.parametrize("distortion", [(50.0,), (-2.0,), (-0.9, 0.0), (1e6,), (0.0, 0.0, 3.0), (1e300,)])
def test_coefficients_of_no_lens_are_refused(distortion: tuple[float, ...]) -> None:
    with pytest.raises(UserError, match=r"^cameras.bin: expected the distortion of a lens, found"):
        undistortion("cameras.bin", replace(PINHOLE, distortion=distortion))


@pytest.mark.parametrize(
    "wrong",
    [
        {"fx": 0.0},
        {"fy": -1.0},
        {"fx": float("nan")},
        {"width": 0.0},
        {"height": float("inf")},
        {"cx": 80.0},
        {"cy": -1.0},
        {"distortion": (float("nan"),)},
        {"distortion": (0.0, float("inf"))},
    ],
)
def test_impossible_lenses_are_refused(wrong: dict[str, float]) -> None:
    check_intrinsics("camera 1", PINHOLE)
    with pytest.raises(UserError, match=r"^camera 1: expected .* found"):
        check_intrinsics("camera 1", replace(PINHOLE, **wrong))


def test_photos_may_be_scaled_but_not_turned() -> None:
    check_aspect("here", PINHOLE, 40, 30)
    check_aspect("here", PINHOLE, 5, 3)
    with pytest.raises(
        UserError, match=r"^here: expected photos shaped like the 80x60 pixels .* found 60x80"
    ):
        check_aspect("here", PINHOLE, 60, 80)


@pytest.mark.parametrize("distortion", [(), (0.0,), (0.0, 0.0, 0.0, 0.0)])
def test_a_lens_without_distortion_is_a_pinhole(distortion: tuple[float, ...]) -> None:
    assert replace(PINHOLE, distortion=distortion).is_pinhole
    assert not replace(PINHOLE, distortion=(*distortion, 1e-9)).is_pinhole
