"""How planes are placed where nothing is given: the interface, and the way by the reference view's bounds.

The four decisions build on each other: the reference view, the depths in its frame, their spacing, the
padding of its canvas. What is given (``planes.txt``, ``data.planes``) takes the place of a decision, and
those behind it reckon with it. `AutomaticPlanes` in `automatic_planes` is the other way.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import PlaneReasons, PlaneSpacing
from normnex_pl.data.photos.lenses import in_picture
from normnex_pl.data.planes.choice import PlaneChoice, PlaneOverrides, paper_offset

# More of them change no percentile that matters here.
_MOST_POINTS = 200_000


@dataclass(frozen=True)
class TrainingViews:
    """What planes are placed by: the training views, in units of the `Scene`'s world and some frame.

    Attributes:
        names: Of the views.
        width: Of their pictures, in pixels.
        height: Of their pictures, in pixels.
        K: Intrinsics.
        c2w: Camera to world in OpenCV axes.
        bounds: Depths of the nearest and the farthest content of each view.
        points: Of a sparse reconstruction; None if the scene has none.
    """

    names: tuple[str, ...]
    width: int
    height: int
    K: Float[np.ndarray, "view 3 3"]
    c2w: Float[np.ndarray, "view 3 4"]
    bounds: Float[np.ndarray, "view 2"]
    points: Float[np.ndarray, "point 3"] | None

    def seen_from(self, reference: int) -> TrainingViews:
        """Return the same in the frame of one of the cameras."""
        rotation, position = self.c2w[reference, :, :3], self.c2w[reference, :, 3]
        return replace(
            self,
            c2w=relative_cameras(self.c2w, reference, 1.0),
            points=None if self.points is None else (self.points - position) @ rotation,
        )

    def with_seen_points(self) -> TrainingViews:
        """Without the points that are in the picture of no view, and not too many of the others."""
        if self.points is None:
            return self
        points = self.points[:: 1 + len(self.points) // _MOST_POINTS]
        seen = np.zeros(len(points), dtype=bool)
        for K, c2w in zip(self.K, self.c2w, strict=True):
            seen |= in_picture(points, K, c2w, (float(self.width), float(self.height)))
        return replace(self, points=points[seen])


class PlanePlacement(ABC):
    """Decides where planes stand. Each decision comes with its reason, a clause for people."""

    @abstractmethod
    def reference(self, views: TrainingViews) -> tuple[int, str]:
        """Choose the view in whose frame the planes stand.

        Args:
            views: In any frame.

        Returns:
            Its index, and the reason.
        """

    @abstractmethod
    def depths(self, views: TrainingViews, reference: int) -> tuple[tuple[float, float], str]:
        """Choose the depths of the first and the last plane.

        Args:
            views: In the frame of the reference view.
            reference: Its index.

        Returns:
            Near and far in world units, and the reason.
        """

    @abstractmethod
    def spacing(self, views: TrainingViews, near: float, far: float) -> tuple[PlaneSpacing, str]:
        """Choose what is uniform between neighbouring planes.

        Args:
            views: In the frame of the reference view.
            near: Depth of the first plane.
            far: Depth of the last plane.

        Returns:
            The spacing, and the reason.
        """

    @abstractmethod
    def padding(
        self, views: TrainingViews, reference: int, near: float, far: float, spacing: PlaneSpacing
    ) -> tuple[int, str]:
        """Choose the padding of the canvas.

        Args:
            views: In the frame of the reference view.
            reference: Its index.
            near: Depth of the first plane.
            far: Depth of the last plane.
            spacing: What is uniform between them.

        Returns:
            Pixels on each side, and the reason.
        """


class PlanesFromBounds(PlanePlacement):
    """The bounds of the view nearest to the middle, as its file has them, and the paper's padding.

    Args:
        default_spacing: Of the planes.
    """

    def __init__(self, default_spacing: PlaneSpacing = "depth") -> None:
        self.default_spacing = default_spacing

    @override
    def reference(self, views: TrainingViews) -> tuple[int, str]:
        return from_the_middle(views.c2w)[0], "the training camera nearest to the mean of their positions"

    @override
    def depths(self, views: TrainingViews, reference: int) -> tuple[tuple[float, float], str]:
        near, far = map(float, views.bounds[reference])
        return (near, far), "the depth bounds of the reference view"

    @override
    def spacing(self, views: TrainingViews, near: float, far: float) -> tuple[PlaneSpacing, str]:
        return self.default_spacing, "the setting of data.placement"

    @override
    def padding(
        self, views: TrainingViews, reference: int, near: float, far: float, spacing: PlaneSpacing
    ) -> tuple[int, str]:
        return paper_offset(views.width), "the NeX paper's, scaled to the width of the photos"


def place_planes(
    root: Path, placement: PlanePlacement, views: TrainingViews, given: Mapping[str, PlaneOverrides]
) -> PlaneChoice:
    """Make all decisions that nobody has made.

    Args:
        root: The scene's folder, for messages.
        placement: How.
        views: In any frame.
        given: What is decided, by the name of where it comes from, the strongest first.

    Returns:
        What is given, completed.

    Raises:
        UserError: The reference view isn't one of the training views, the depths aren't 0 < near < far, or
            the padding is negative.
    """
    index, why_reference = _given(given, "reference") or placement.reference(views)
    if isinstance(index, str):
        index = _index_of(root, index, views.names, why_reference)
    views = views.seen_from(index)
    (near, far), why_depths = placement.depths(views, index)
    near, why_near = _given(given, "near") or (near, why_depths)
    far, why_far = _given(given, "far") or (far, why_depths)
    if not 0 < near < far < math.inf:
        raise UserError(
            f"{root}: expected plane depths 0 < near < far, found near {near:g} ({why_near}) and far {far:g} "
            f"({why_far}). Correct what is given; in the same units the reference view sees "
            f"{views.bounds[index, 0]:g} to {views.bounds[index, 1]:g}."
        )
    spacing, why_spacing = _given(given, "spacing") or placement.spacing(views, near, far)
    padding, why_padding = _given(given, "padding") or placement.padding(views, index, near, far, spacing)
    if padding < 0:
        raise UserError(f"{root}: expected a padding of 0 or more pixels, found {padding}. Choose another.")
    why_depths = why_near if why_near == why_far else f"near: {why_near}; far: {why_far}"
    reasons = PlaneReasons(why_reference, why_depths, why_spacing, why_padding)
    return PlaneChoice(index, near, far, spacing, padding, reasons)


def relative_cameras(
    c2w: Float[np.ndarray, "view 3 4"], reference: int, unit: float
) -> Float[np.ndarray, "view 3 4"]:
    """Express cameras in the frame of one of them, whose own pose becomes the identity.

    Args:
        c2w: Poses in any world.
        reference: Index of the camera that becomes the origin.
        unit: Length in that world that becomes 1.

    Returns:
        Poses of the same cameras in the reference camera's frame.
    """
    rotation, position = c2w[reference, :, :3], c2w[reference, :, 3]
    rotations = rotation.T @ c2w[:, :, :3]
    positions = (c2w[:, :, 3] - position) / unit @ rotation
    relative = np.concatenate([rotations, positions[:, :, None]], axis=2)
    relative[reference] = np.eye(3, 4)  # free of rounding
    return relative


def from_the_middle(c2w: Float[np.ndarray, "view 3 4"]) -> list[int]:
    """Indices of cameras, those that are nearest to the mean of their positions first."""
    positions = c2w[:, :, 3]
    distances = np.linalg.norm(positions - positions.mean(axis=0), axis=1)
    return [int(index) for index in np.argsort(distances, kind="stable")]


def _given(given: Mapping[str, PlaneOverrides], name: str) -> tuple[Any, str] | None:
    """Return the strongest of the given values, and where it comes from."""
    found = ((getattr(overrides, name), source) for source, overrides in given.items())
    return next(((value, f"given in {source}") for value, source in found if value is not None), None)


def _index_of(root: Path, name: str, names: tuple[str, ...], source: str) -> int:
    """Return the index of a view by its name."""
    if name not in names:
        raise UserError(
            f"{root}: expected the name of a training view, such as '{names[0]}', for the reference view "
            f"{source}, found '{name}'. Choose another, or leave it out."
        )
    return names.index(name)
