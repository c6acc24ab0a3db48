"""Coverage of a scene: angles and baselines between the cameras of a capture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from normnex_pl.data.photos.intrinsics import CameraIntrinsics
from normnex_pl.data.readers.colmap_model import SparsePoints

# Percentiles of the points' depths, between which nearly all of the scene lies.
_NEAR, _FAR = 5, 95
_NEARLY_ALL = 90


@dataclass(frozen=True)
class Coverage:
    """Spread of the cameras of a capture. Angles in degrees; shifts in fractions of the photos' width.

    Attributes:
        turn: Largest angle between the optical axes of two photos.
        usual_turn: Angle that one in ten pairs of photos exceeds.
        around: Largest angle between two cameras, seen from the middle of the scene.
        usual_around: Angle that one in ten pairs exceeds.
        baseline: Largest distance between two cameras, over the median depth of the points.
        parallax: Shift of the nearest content against the farthest, between the outermost cameras.
        gap: The same, for each photo, between it and the nearest other camera.
        ray_angle: Median, over the points, of the angle between the rays that see a point.
    """

    turn: float
    usual_turn: float
    around: float
    usual_around: float
    baseline: float
    parallax: float
    gap: tuple[float, ...]
    ray_angle: float


def measure_coverage(
    c2w: Float[np.ndarray, "view 3 4"],
    observers: Int[np.ndarray, "view"],
    points: SparsePoints,
    intrinsics: CameraIntrinsics,
) -> Coverage:
    """Measure the cameras of a reconstruction.

    Args:
        c2w: Camera to world in OpenCV axes, two or more.
        observers: The number by which the points refer to each camera.
        points: With at least one observation.
        intrinsics: Of all photos.
    """
    positions, axes = c2w[:, :, 3], c2w[:, :, 2]
    middle = np.median(points.xyz, axis=0)
    views = np.searchsorted(np.sort(observers), points.observer)
    observer = np.argsort(observers)[views]
    rays = points.xyz[points.observed] - positions[observer]
    depths = np.einsum("oc,oc->o", rays, axes[observer])
    near, median, far = np.percentile(depths[depths > 0], [_NEAR, 50, _FAR])
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    shift = intrinsics.fx / intrinsics.width * (1 / near - 1 / far)
    others = distances + np.diag(np.full(len(positions), np.inf))
    turn, around = _pairwise_degrees(axes), _pairwise_degrees(positions - middle)
    return Coverage(
        turn=float(turn.max()),
        usual_turn=float(np.percentile(turn, _NEARLY_ALL)),
        around=float(around.max()),
        usual_around=float(np.percentile(around, _NEARLY_ALL)),
        baseline=float(distances.max() / median),
        parallax=float(distances.max() * shift),
        gap=tuple(float(value) for value in others.min(axis=1) * shift),
        ray_angle=_ray_angle(rays, points.observed, len(points.xyz)),
    )


def _pairwise_degrees(vectors: Float[np.ndarray, "vector 3"]) -> Float[np.ndarray, "pair"]:
    """Return the angles between all pairs of vectors."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    one, two = np.triu_indices(len(unit), k=1)
    cosines = np.einsum("pc,pc->p", unit[one], unit[two])
    return np.degrees(np.arccos(np.clip(cosines, -1, 1)))


def _ray_angle(
    rays: Float[np.ndarray, "observation 3"], observed: Int[np.ndarray, "observation"], count: int
) -> float:
    """Return the median of twice the largest angle between a point's rays and their mean, in degrees."""
    unit = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    mean = np.zeros((count, 3))
    np.add.at(mean, observed, unit)
    mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
    angles = np.arccos(np.clip(np.einsum("oc,oc->o", unit, mean[observed]), -1, 1))
    largest = np.zeros(count)
    np.maximum.at(largest, observed, angles)
    return float(np.degrees(2 * np.median(largest[np.unique(observed)])))
