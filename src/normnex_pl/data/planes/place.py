"""The step that places the planes of a scene: what is given, completed by a placement."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import PlaneReasons, PlaneSpacing
from normnex_pl.data.photos.posed import PosedPhotos
from normnex_pl.data.planes.choice import PlaneChoice, PlaneOverrides
from normnex_pl.data.planes.content import seen_depths
from normnex_pl.data.planes.placement import PlanePlacement


def place_planes(
    views: PosedPhotos, placement: PlanePlacement, given: Mapping[str, PlaneOverrides]
) -> PlaneChoice:
    """Decide where the planes stand: take what is given, and let the placement decide the rest.

    The four decisions build on each other: the reference view, the depths in its frame, their spacing, the
    padding of its canvas. Given values take the place of decisions, and later decisions are based on them.

    Args:
        views: The training views, in units of the scene's world and any frame.
        placement: Decides what isn't given.
        given: Decisions by the name of where they come from; earlier ones take precedence.

    Returns:
        All decisions, with their reasons.

    Raises:
        UserError: The reference view isn't one of the training views, the depths aren't 0 < near < far, or
            the padding is negative.
    """
    views = placement.look(views)
    index, why_reference = _given(given, "reference") or placement.reference(views)
    if isinstance(index, str):
        index = _index_of(views, index, why_reference)
    views = views.seen_from(index)
    (near, far), why_depths = placement.depths(views, index)
    near, why_near = _given(given, "near") or (near, why_depths)
    far, why_far = _given(given, "far") or (far, why_depths)
    if not 0 < near < far < math.inf:
        raise UserError(
            f"{views.root}: expected plane depths 0 < near < far, found near {near:g} ({why_near}) and far "
            f"{far:g} ({why_far}). Correct what is given; in the same units the reference view sees "
            f"{views.bounds[index, 0]:g} to {views.bounds[index, 1]:g}."
        )
    seen = seen_depths(views)
    spacing, why_spacing = _given(given, "spacing") or placement.spacing(seen, near, far)
    _check_ends(views.root, (near, far), spacing, f"near {why_near}, far {why_far}, depths {why_spacing}")
    padding, why_padding = _given(given, "padding") or placement.padding(views, index, near, far, spacing)
    if padding < 0:
        raise UserError(
            f"{views.root}: expected a padding of 0 or more pixels, found {padding}. Choose another."
        )
    why_depths = why_near if why_near == why_far else f"near: {why_near}; far: {why_far}"
    reasons = PlaneReasons(why_reference, why_depths, why_spacing, why_padding)
    return PlaneChoice(index, near, far, spacing, padding, reasons, seen)


def _check_ends(root: Path, ends: tuple[float, float], spacing: PlaneSpacing, sources: str) -> None:
    """Raise a UserError if near or far are given beside a list of depths that has other ends."""
    if not isinstance(spacing, str) and (spacing[0], spacing[-1]) != ends:
        raise UserError(
            f"{root}: expected planes between the ends of the listed depths, {spacing[0]:g} and "
            f"{spacing[-1]:g}, found {ends[0]:g} and {ends[1]:g} ({sources}). Leave near and far out, or "
            "also give another spacing."
        )


def _given(given: Mapping[str, PlaneOverrides], name: str) -> tuple[Any, str] | None:
    """Return the given value that takes precedence, and its origin; None without any."""
    found = ((getattr(overrides, name), source) for source, overrides in given.items())
    return next(((value, f"given in {source}") for value, source in found if value is not None), None)


def _index_of(views: PosedPhotos, name: str, source: str) -> int:
    """Return the index of a view by its name."""
    if name not in views.names:
        raise UserError(
            f"{views.root}: expected the name of a training view, such as '{views.names[0]}', for the "
            f"reference view {source}, found '{name}'. Choose another, or leave it out."
        )
    return views.names.index(name)
