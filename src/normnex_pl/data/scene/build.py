"""From the cameras and photos of a capture, in whatever world its files use, to a validated `Scene`.

Every reader ends here. The world of the files is moved and scaled, never bent: distances are divided by
0.75 x the smallest near bound of all views, and one of the training cameras becomes the origin (see
`placement`). Computed in float64, stored in float32.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import Camera, Scene, View
from normnex_pl.data.planes.choice import PlaneOverrides, mpi_geometry
from normnex_pl.data.planes.placement import PlanePlacement, TrainingViews, place_planes, relative_cameras
from normnex_pl.data.planes.unit import scene_unit

# Poses written with three or four digits still pass; a sheared or mirrored matrix does not.
_ROTATION_TOLERANCE = 1e-3
# Beyond these the numbers are garbage, and float32 could no longer hold their ratios.
_LARGEST = 1e12
_SMALLEST = 1e-12


@dataclass(frozen=True)
class Capture:
    """What a reader found, in the frame and the units of its own files.

    Attributes:
        root: The scene's folder.
        source: The file that the cameras come from, for messages.
        names: Names of the views, sorted.
        images: sRGB bytes, one per view.
        K: Intrinsics in pixels of ``images``, pixel centres at integer + 0.5.
        c2w: Camera to world in OpenCV axes (right, down, forward).
        bounds: Depths of the nearest and the farthest content of each view.
        points: Of a sparse reconstruction; None if there is none.
    """

    root: Path
    source: Path
    names: tuple[str, ...]
    images: tuple[UInt8[Tensor, "_ _ 3"], ...]
    K: Float[np.ndarray, "view 3 3"]
    c2w: Float[np.ndarray, "view 3 4"]
    bounds: Float[np.ndarray, "view 2"]
    points: Float[np.ndarray, "point 3"] | None = None


@dataclass(frozen=True)
class Split:
    """Which views are learned from and which are held out.

    Attributes:
        train: Indices into the sorted views.
        test: Indices into the sorted views; none of them in ``train``.
    """

    train: tuple[int, ...]
    test: tuple[int, ...]


def build_scene(
    capture: Capture, split: Split, placement: PlanePlacement, given: Mapping[str, PlaneOverrides]
) -> Scene:
    """Validate a capture and bring it into the world that training uses.

    Args:
        capture: Cameras, bounds and photos as the files have them.
        split: Training and held-out views, disjoint.
        placement: Decides where the planes stand.
        given: What of that is decided, by the name of where it comes from, the strongest first.

    Returns:
        The scene; its world is the reference camera's frame.

    Raises:
        UserError: The capture holds less than two views, no training view, differing counts or sizes,
            repeated names, numbers that aren't finite, rotations that aren't, or bounds out of order.
    """
    _check_views(capture, split)
    _check_cameras(capture)
    c2w = np.concatenate([_nearest_rotations(capture.c2w[:, :, :3]), capture.c2w[:, :, 3:]], axis=2)
    unit = scene_unit(capture.bounds)
    training = _training_views(capture, split, c2w, unit)
    choice = place_planes(capture.root, placement, training, given)
    reference = split.train[choice.reference]
    poses = relative_cameras(c2w, reference, unit)
    views = tuple(
        View(name=name, camera=_camera(K, pose, image), image=image)
        for name, K, pose, image in zip(capture.names, capture.K, poses, capture.images, strict=True)
    )
    points = training.seen_from(choice.reference).points
    return Scene(
        name=capture.root.resolve().name,
        root=capture.root,
        views=views,
        train=split.train,
        test=split.test,
        reference=reference,
        geometry=mpi_geometry(views[reference].camera, choice),
        source_from_world=torch.from_numpy(_source_from_world(c2w[reference], unit)).float(),
        points=None if points is None else torch.from_numpy(points).float(),
        reasons=choice.reasons,
    )


def _training_views(
    capture: Capture, split: Split, c2w: Float[np.ndarray, "view 3 4"], unit: float
) -> TrainingViews:
    """What planes are placed by, in the frame of the files and units of the world."""
    indices = list(split.train)
    height, width, _ = capture.images[0].shape
    views = TrainingViews(
        names=tuple(capture.names[index] for index in indices),
        width=width,
        height=height,
        K=capture.K[indices],
        c2w=np.concatenate([c2w[indices, :, :3], c2w[indices, :, 3:] / unit], axis=2),
        bounds=capture.bounds[indices] / unit,
        points=None if capture.points is None else capture.points / unit,
    )
    return views.with_seen_points()


def _source_from_world(c2w: Float[np.ndarray, "3 4"], unit: float) -> Float[np.ndarray, "4 4"]:
    """Return the matrix that undoes `relative_cameras` for points, given the reference camera's pose."""
    matrix = np.eye(4)
    matrix[:3, :3] = c2w[:, :3] * unit
    matrix[:3, 3] = c2w[:, 3]
    return matrix


def _camera(
    K: Float[np.ndarray, "3 3"], c2w: Float[np.ndarray, "3 4"], image: UInt8[Tensor, "height width 3"]
) -> Camera:
    """Return a camera in float32 for the size of its image."""
    height, width, _ = image.shape
    return Camera(
        K=torch.from_numpy(K).float(), c2w=torch.from_numpy(c2w).float(), width=width, height=height
    )


def _nearest_rotations(matrices: Float[np.ndarray, "view 3 3"]) -> Float[np.ndarray, "view 3 3"]:
    """Remove the rounding of the file, so that transposing inverts exactly (orthogonal Procrustes)."""
    u, _, vt = np.linalg.svd(matrices)
    return np.asarray(u @ vt)


def check_view_count(root: Path, count: int) -> None:
    """Raise a UserError if there are too few views to learn from one and test on another."""
    if count < 2:
        raise UserError(f"{root}: expected at least 2 views, found {count}. Add photos of the scene.")


def _check_views(capture: Capture, split: Split) -> None:
    """Raise a UserError unless counts, names, sizes and the split are as a scene needs them."""
    count = len(capture.names)
    if not count == len(capture.images) == len(capture.c2w):
        raise UserError(
            f"{capture.source}: expected a pose for each of the {len(capture.images)} photos, found "
            f"{len(capture.c2w)} poses. Remove the photos without a pose, or estimate the poses again."
        )
    check_view_count(capture.root, count)
    name, repeats = Counter(capture.names).most_common(1)[0]
    if repeats > 1:
        raise UserError(
            f"{capture.root}: expected names that are unique without their endings, found {repeats} photos "
            f"called '{name}'. Rename or remove all but one."
        )
    sizes = {tuple(image.shape) for image in capture.images}
    if len(sizes) > 1:
        raise UserError(f"{capture.root}: expected photos of one size, found {sorted(sizes)}. Resize them.")
    if not split.train:
        raise UserError(
            f"{capture.root}: expected at least 1 training view, found none. Hold out fewer views."
        )


def _check_cameras(capture: Capture) -> None:
    """Raise a UserError that names the first view whose camera or bounds are impossible."""
    for name, K, c2w, bounds in zip(capture.names, capture.K, capture.c2w, capture.bounds, strict=True):
        problem = _camera_problem(K, c2w, bounds)
        if problem:
            raise UserError(f"{capture.source}, view '{name}': {problem}. Estimate the poses again.")


def check_pose(where: str, c2w: Float[np.ndarray, "3 4"]) -> None:
    """Raise a UserError if a pose is impossible, for readers that compute with it before `build_scene`.

    Args:
        where: File and place in it, for the message.
        c2w: Camera to world.
    """
    problem = _number_problem(c2w.ravel()) or _rotation_problem(c2w[:, :3])
    if problem:
        raise UserError(f"{where}: {problem}. Estimate the poses again.")


def _camera_problem(
    K: Float[np.ndarray, "3 3"], c2w: Float[np.ndarray, "3 4"], bounds: Float[np.ndarray, "2"]
) -> str | None:
    """Say what was expected of a camera and what was found, or None if all is well."""
    if problem := _number_problem(np.concatenate([K.ravel(), c2w.ravel(), bounds])):
        return problem
    if min(K[0, 0], K[1, 1]) < _SMALLEST:
        return f"expected a positive focal length, found {min(K[0, 0], K[1, 1]):g} pixels"
    if problem := _rotation_problem(c2w[:, :3]):
        return problem
    near, far = bounds
    if not _SMALLEST < near < far:
        return f"expected depth bounds 0 < near < far, found near {near:g} and far {far:g}"
    return None


def _number_problem(numbers: Float[np.ndarray, "number"]) -> str | None:
    """Say what is wrong with numbers that nothing can be computed with, or None."""
    if not np.isfinite(numbers).all():
        return "expected finite numbers, found NaN or infinity"
    if np.abs(numbers).max() > _LARGEST:
        return f"expected numbers below {_LARGEST:g}, found {np.abs(numbers).max():g}"
    return None


def _rotation_problem(rotation: Float[np.ndarray, "3 3"]) -> str | None:
    """Say why a matrix is no rotation, or None."""
    if np.abs(rotation.T @ rotation - np.eye(3)).max() > _ROTATION_TOLERANCE:
        return "expected a rotation matrix, found columns that are not perpendicular or not of length 1"
    if np.linalg.det(rotation) < 0:
        return "expected a rotation matrix (determinant 1), found a mirrored one (determinant -1)"
    return None
