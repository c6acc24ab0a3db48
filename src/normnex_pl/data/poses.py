"""Camera poses as 3x4 camera-to-world matrices in OpenCV axes: what makes one valid, and changes of frame."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from normnex_pl.core.errors import UserError

# Poses written with three or four digits still pass; a sheared or mirrored matrix does not.
_ROTATION_TOLERANCE = 1e-3
# Beyond it the numbers are garbage, and float32 could no longer hold their ratios.
_LARGEST = 1e12


def check_pose(where: str, c2w: Float[np.ndarray, "3 4"]) -> None:
    """Raise a UserError if a pose is impossible.

    Args:
        where: File and place in it, for the message.
        c2w: Camera to world.
    """
    problem = number_problem(c2w.ravel()) or rotation_problem(c2w[:, :3])
    if problem:
        raise UserError(f"{where}: {problem}. Estimate the poses again.")


def number_problem(numbers: Float[np.ndarray, "number"]) -> str | None:
    """Describe numbers that can't be computed with, or return None."""
    if not np.isfinite(numbers).all():
        return "expected finite numbers, found NaN or infinity"
    if np.abs(numbers).max() > _LARGEST:
        return f"expected numbers below {_LARGEST:g}, found {np.abs(numbers).max():g}"
    return None


def rotation_problem(rotation: Float[np.ndarray, "3 3"]) -> str | None:
    """Explain why a matrix isn't a rotation, or return None."""
    if np.abs(rotation.T @ rotation - np.eye(3)).max() > _ROTATION_TOLERANCE:
        return "expected a rotation matrix, found columns that are not perpendicular or not of length 1"
    if np.linalg.det(rotation) < 0:
        return "expected a rotation matrix (determinant 1), found a mirrored one (determinant -1)"
    return None


def nearest_rotations(matrices: Float[np.ndarray, "view 3 3"]) -> Float[np.ndarray, "view 3 3"]:
    """Remove the rounding of a file, so that transposing inverts exactly (orthogonal Procrustes)."""
    u, _, vt = np.linalg.svd(matrices)
    return np.asarray(u @ vt)


def relative_poses(c2w: Float[np.ndarray, "view 3 4"], reference: int) -> Float[np.ndarray, "view 3 4"]:
    """Express poses in the frame of one of the cameras, whose own pose becomes the identity.

    Args:
        c2w: Poses in any world.
        reference: Index of the camera that becomes the origin.
    """
    rotation, position = c2w[reference, :, :3], c2w[reference, :, 3]
    rotations = rotation.T @ c2w[:, :, :3]
    positions = (c2w[:, :, 3] - position) @ rotation
    relative = np.concatenate([rotations, positions[:, :, None]], axis=2)
    relative[reference] = np.eye(3, 4)  # free of rounding
    return relative


def from_the_middle(c2w: Float[np.ndarray, "view 3 4"]) -> list[int]:
    """Return the indices of cameras, those nearest to the mean of their positions first."""
    positions = c2w[:, :, 3]
    distances = np.linalg.norm(positions - positions.mean(axis=0), axis=1)
    return [int(index) for index in np.argsort(distances, kind="stable")]
