"""Placement of planes by the points that the training views see, or by their bounds."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import MPIGeometry, PlaneSpacing, Rays, SeenDepths
from normnex_pl.data.photos.posed import PosedPhotos
from normnex_pl.data.planes.percentiles import Percentiles
from normnex_pl.data.planes.photo_points import PhotoAgreement
from normnex_pl.data.planes.placement import PlanePlacement
from normnex_pl.data.planes.quantisation import PlaneQuantizer
from normnex_pl.data.poses import from_the_middle
from normnex_pl.geometry.cameras import pixel_rays
from normnex_pl.geometry.coverage import parallax, pixel_grid, pixels_beyond_picture
from normnex_pl.geometry.planes import plane_depths

# With fewer points the bounds of the views are more reliable than a percentile.
_FEWEST_POINTS = 50
# Of the views' own bounds, where there are no points: one view in twenty may have a wrong bound.
_BOUND_PERCENTILES = (5, 95)
# Depths that are listed: more have no detail beyond the smoothed evidence.
_LISTED = 65
# Rays across a picture and down, and planes, by which the padding is found: of the chosen reference, and of
# the candidates.
_FINE, _COARSE = (17, 13, 16), (13, 10, 8)
# Views that may become the reference: those nearest to the middle, in captures with very many.
_CANDIDATES = 32


class AutomaticPlanes(PlanePlacement):
    """Choose planes that suit what the training views see.

    Depths: between percentiles of the points' depths, with some room. Mismatched points outside of them don't
    matter as long as they are fewer. With more room, but within the bounds of the views, where the photos'
    agreement has found them, since plain surfaces may be nearer or farther.

    Spacing: such that the parallax between neighbours, weighted by what the views see there (`seen_depths`),
    is least; see `PlaneQuantizer`.

    Without points, those where the photos agree in a coarse plane sweep take their place.

    Padding: enough for a share of the intersections of training rays with planes.

    Reference: the training view that needs the fewest texels for planes a pixel apart, seen from all training
    cameras: canvas area times pixels of parallax between near and far. It is one in the middle, which
    keeps the parallax small, that looks where the others do, which keeps the padding small.

    Args:
        percentiles: Of the points' depths, between which planes are needed.
        room: Added on both sides of them, as a share of the depth there.
        coverage: Share of the intersections that the canvas shall hold.
        largest_padding: Of the canvas on each side, as a share of the picture's width.
        quantizer: Spreads the planes between the depths.
        agreement: Finds points where there are too few.

    Raises:
        UserError: A share is out of its range.
    """

    def __init__(
        self,
        percentiles: Percentiles = Percentiles(1.0, 99.0),  # noqa: B008 (frozen)
        room: float = 0.1,
        coverage: float = 0.999,
        largest_padding: float = 0.5,
        quantizer: PlaneQuantizer = PlaneQuantizer(),  # noqa: B008 (frozen)
        agreement: PhotoAgreement = PhotoAgreement(),  # noqa: B008 (frozen)
    ) -> None:
        if not (room >= 0 and 0 < coverage <= 1 and largest_padding >= 0):
            raise UserError(
                "data.placement: expected room and largest_padding of 0 or more and a coverage above 0, at "
                f"most 1, found {room:g}, {largest_padding:g} and {coverage:g}."
            )
        self.percentiles = percentiles
        self.room = room
        self.coverage = coverage
        self.largest_padding = largest_padding
        self.quantizer = quantizer
        self.agreement = agreement

    @override
    def look(self, views: PosedPhotos) -> PosedPhotos:
        enough = views.points is not None and len(views.points) >= _FEWEST_POINTS
        if enough or len(views.images) < 2:
            return views
        middle = from_the_middle(views.c2w)[0]
        framed = views.seen_from(middle)
        (near, far), _ = bounds_of_all(framed, middle)
        points = self.agreement(framed, near, far)
        c2w = views.c2w[middle]
        found = points @ c2w[:, :3].T + c2w[:, 3]
        return replace(views, points=found, matched=True)

    @override
    def reference(self, views: PosedPhotos) -> tuple[int, str]:
        # min takes the first of equals.
        candidates = from_the_middle(views.c2w)[:_CANDIDATES]
        best = min(candidates, key=lambda index: self._texels(views, index))
        return best, "of all training views the one whose planes, a pixel apart, need the fewest texels"

    @override
    def depths(self, views: PosedPhotos, reference: int) -> tuple[tuple[float, float], str]:
        depths = point_depths(views)
        if len(depths) < _FEWEST_POINTS:
            return bounds_of_all(views, reference)
        low, high = map(float, np.percentile(depths, [self.percentiles.near, self.percentiles.far]))
        room, least, most = self.room, 0.0, math.inf
        if views.matched:
            room, (least, most) = self.agreement.room, bounds_of_all(views, reference)[0]
        reason = (
            f"of {len(depths)} points {views.points_origin}, {self.percentiles.near:g} % are nearer than "
            f"{low:.4g} and {100 - self.percentiles.far:g} % farther than {high:.4g}; {room:.0%} of room"
        )
        near, far = max(low / (1 + room), min(least, low)), min(high * (1 + room), max(most, high))
        return (near, far), reason

    @override
    def spacing(self, seen: SeenDepths, near: float, far: float) -> tuple[PlaneSpacing, str]:
        depths, weights = seen.depths.double().numpy(), seen.weights.double().numpy()
        inside = (depths > near) & (depths < far)
        count = int(inside.sum())
        if count < _FEWEST_POINTS:
            return "disparity", f"even parallax, as only {count} points {seen.origin} lie between"
        listed = self.quantizer(1 / depths[inside], weights[inside], near, far, _LISTED)
        return tuple(listed.tolist()), f"denser where {count} points {seen.origin} show more"

    @override
    def padding(
        self, views: PosedPhotos, reference: int, near: float, far: float, spacing: PlaneSpacing
    ) -> tuple[int, str]:
        needed = needed_padding(views, canvas_of(views, reference, near, far, spacing), self.coverage)
        largest = int(self.largest_padding * views.width)
        if needed > largest:
            wanted = "no padding" if math.isinf(needed) else f"not {math.ceil(needed)} pixels"
            return largest, (
                f"the largest allowed ({self.largest_padding:.0%} of the width); {wanted} would hold "
                f"{self.coverage:.1%} of the places where training rays meet planes: views face apart"
            )
        reason = f"holds {self.coverage:.1%} of the places where rays of the training views meet planes"
        return math.ceil(needed), reason

    def _texels(self, views: PosedPhotos, reference: int) -> float:
        """Count the texels of planes that are a pixel apart, seen from the training camera farthest off."""
        framed = views.seen_from(reference)
        (near, far), _ = self.depths(framed, reference)
        if not 0 < near < far < math.inf:
            return math.inf
        canvas = canvas_of(framed, reference, near, far, "disparity")
        padding = needed_padding(framed, canvas, self.coverage, _COARSE)
        area = (views.width + 2 * padding) * (views.height + 2 * padding)
        baseline = float(np.linalg.norm(framed.c2w[:, :2, 3], axis=1).max())
        return area * (1 + parallax(canvas.fx, baseline, near, far))


def point_depths(views: PosedPhotos) -> Float[np.ndarray, "seen"]:
    """Return the depths of the points in front of the reference camera; none without points."""
    depths = np.zeros(0) if views.points is None else views.points[:, 2]
    return depths[(depths > 0) & np.isfinite(depths)]


def bounds_of_all(views: PosedPhotos, reference: int) -> tuple[tuple[float, float], str]:
    """Return depths in the reference's frame between which the bounds of nearly all views lie."""
    ends = views.c2w[:, 2, 3, None] + views.bounds * views.c2w[:, 2, 2, None]
    low, high = _BOUND_PERCENTILES
    near, far = float(np.percentile(ends[:, 0], low)), float(np.percentile(ends[:, 1], high))
    if not 0 < near < far:
        near, far = map(float, views.bounds[reference])
        return (near, far), "no points; the depth bounds of the reference view"
    return (near, far), (
        f"no points; {low} % of the training views have a nearer bound than near, in the frame of the "
        f"reference view, and {100 - high} % a farther one than far"
    )


def needed_padding(
    views: PosedPhotos, canvas: MPIGeometry, coverage: float, grid: tuple[int, int, int] = _FINE
) -> float:
    """Return the padding with which a canvas holds a share of the intersections of training rays with planes.

    Args:
        views: In the frame of the reference view.
        canvas: Without padding.
        coverage: The share.
        grid: Rays across a picture and down, and planes.

    Returns:
        Pixels, 0 or more; infinite if too many rays don't meet the planes at all.
    """
    columns, rows, planes = grid
    pixels = pixel_grid(views.width, views.height, columns, rows)
    K, c2w = torch.from_numpy(views.K), torch.from_numpy(views.c2w)
    rays = pixel_rays(K[:, None], c2w[:, None], pixels.expand(len(K), -1, -1))
    flat = Rays(rays.origins.reshape(-1, 3), rays.directions.reshape(-1, 3))
    # How far beyond the reference picture each ray meets each plane.
    beyond = pixels_beyond_picture(flat, plane_depths(canvas, planes).double(), canvas).numpy().ravel()
    return max(0.0, float(np.quantile(beyond, coverage, method="higher")))


def canvas_of(
    views: PosedPhotos, reference: int, near: float, far: float, spacing: PlaneSpacing
) -> MPIGeometry:
    """Return the canvas without padding."""
    K = views.K[reference]
    fx, fy, cx, cy = (float(K[row, column]) for row, column in ((0, 0), (1, 1), (0, 2), (1, 2)))
    return MPIGeometry(fx, fy, cx, cy, views.width, views.height, 0, near, far, spacing)
