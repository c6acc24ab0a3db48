"""Warnings about a capture: what will fail or look bad later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from normnex_pl.capture.coverage import Coverage
from normnex_pl.capture.model_files import ModelFacts
from normnex_pl.capture.sharpness import blurred

FEWEST = 6
_FEW = 15
_LISTED = 8
# Degrees. A photo that looks past the planes' frame sees nothing of them.
_TURN, _TOO_MUCH_TURN = 45.0, 75.0
_AROUND, _TOO_FAR_AROUND = 70.0, 90.0
# Fractions of the width.
_LITTLE_PARALLAX = 0.03
_LARGE_GAP = 0.12
_SMALL_RAY_ANGLE = 1.5
_LARGE_ERROR = 1.0
_STOPS = 0.3
_SAME_FOCAL = 0.03


@dataclass(frozen=True)
class RegisteredPhotos:
    """The photos that were registered.

    Attributes:
        names: Of all of them.
        sharpness: Comparable within a capture alone, see `sharpness`.
        stops: How much brighter each is than the others.
    """

    names: tuple[str, ...]
    sharpness: Float[np.ndarray, "photo"]
    stops: Float[np.ndarray, "photo"]


def why_not_facing(coverage: Coverage) -> str | None:
    """Explain why planes in front of one camera can't show a capture; None if they can."""
    if coverage.usual_turn > _TOO_MUCH_TURN:
        return (
            "expected photos that face the scene from one side, found optical axes up to "
            f"{coverage.turn:.0f} degrees apart (more than {coverage.usual_turn:.0f} for a tenth of the "
            "pairs): the camera goes around the scene or looks around in it"
        )
    if coverage.usual_around > _TOO_FAR_AROUND:
        return (
            "expected photos that face the scene from one side, found cameras up to "
            f"{coverage.around:.0f} degrees apart, seen from the scene's middle: they are all around it"
        )
    return None


def warnings_of(
    facts: ModelFacts, coverage: Coverage, photos: RegisteredPhotos, left_out: Sequence[str]
) -> list[str]:
    """Return all that a user should know before training, one sentence or two each."""
    found = [
        *_of_reconstruction(facts, photos, left_out),
        *_of_cameras(coverage, photos.names),
        *_of_photos(photos),
    ]
    return [warning for warning in found if warning]


def focal_warning(names: Sequence[str], focals: Sequence[float | None]) -> str | None:
    """Warn of photos whose EXIF data give another focal length than those of most; None if there are none.

    Args:
        names: Of the photos.
        focals: In any unit; None where it isn't known.
    """
    known = [value for value in focals if value is not None]
    if not known:
        return None
    usual = float(np.median(known))
    other = [
        name
        for name, value in zip(names, focals, strict=True)
        if value is not None and abs(value / usual - 1) > _SAME_FOCAL
    ]
    if not other:
        return None
    return (
        f"photos of another lens or zoom ({len(other)}), while one camera is assumed for all: "
        f"{listed(other)}. Take them out."
    )


def listed(names: Sequence[str]) -> str:
    """List some of the names, and how many more there are."""
    return ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")


def _of_reconstruction(facts: ModelFacts, photos: RegisteredPhotos, left_out: Sequence[str]) -> list[str]:
    """Return warnings about the reconstruction as a whole."""
    found = []
    if left_out:
        found.append(
            f"photos that could not be placed and are left out ({len(left_out)}): {listed(left_out)}. They "
            "overlap too little with the others, or are blurred."
        )
    if len(facts.sizes) > 1:
        sizes = ", ".join(map(str, facts.sizes))
        found.append(
            f"the photos fall apart into {len(facts.sizes)} models of {sizes} photos; the largest is taken. "
            "Photos between the groups would join them."
        )
    if len(photos.names) < _FEW:
        found.append(
            f"{len(photos.names)} photos are few: expect blurred views between them. {_FEW} to 40 are usual."
        )
    if facts.error > _LARGE_ERROR:
        found.append(
            f"the mean reprojection error is {facts.error:.2f} pixels, more than {_LARGE_ERROR:g}: something "
            "moved, or the zoom or focus changed."
        )
    return found


def _of_cameras(coverage: Coverage, names: Sequence[str]) -> list[str]:
    """Return warnings about the positions of the cameras."""
    found = []
    if coverage.parallax < _LITTLE_PARALLAX or coverage.ray_angle < _SMALL_RAY_ANGLE:
        found.append(
            f"there is little parallax: near content moves {coverage.parallax:.1%} of the width against far "
            f"content, points are seen under {coverage.ray_angle:.1f} degrees. Depth will be poor: "
            "move the camera sideways and up, don't only turn it."
        )
    if coverage.turn > _TURN or coverage.around > _AROUND:
        found.append(
            f"the photos look in directions up to {coverage.turn:.0f} degrees apart, from places up to "
            f"{coverage.around:.0f} degrees apart: planes that face one way show the outer ones badly."
        )
    lonely = [name for name, gap in zip(names, coverage.gap, strict=True) if gap > _LARGE_GAP]
    if lonely:
        found.append(
            f"photos far from all others ({len(lonely)}), near content moves more than {_LARGE_GAP:.0%} of "
            f"the width: {listed(lonely)}. Views between them will be blurred."
        )
    return found


def _of_photos(photos: RegisteredPhotos) -> list[str]:
    """Return warnings about single photos."""
    found = []
    if names := [photos.names[index] for index in blurred(photos.sharpness)]:
        found.append(f"blurred photos, compared with the others ({len(names)}): {listed(names)}.")
    off = {name: stops for name, stops in zip(photos.names, photos.stops, strict=True) if abs(stops) > _STOPS}
    if off:
        worst: Mapping[str, float] = dict(sorted(off.items(), key=lambda item: -abs(item[1])))
        values = listed([f"{name} ({stops:+.1f})" for name, stops in worst.items()])
        found.append(
            f"photos exposed or white-balanced differently, in stops ({len(off)}): {values}. Lock exposure "
            "and focus while you take them, or train with a colour map for each photo "
            "(--model.exposure=AffineExposure)."
        )
    return found
