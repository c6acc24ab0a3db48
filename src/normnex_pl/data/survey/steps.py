"""Steps between neighbouring planes, in pixels of parallax, and what the views see between them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from normnex_pl.core.types import MPIGeometry, PlaneSpacing, SeenDepths
from normnex_pl.geometry.coverage import parallax
from normnex_pl.geometry.planes import plane_depths

# With fewer depths nothing is known about what the views see.
_FEWEST = 50


@dataclass(frozen=True)
class PlaneSteps:
    """Planes, their steps, and what lies between them.

    Attributes:
        depths: Of the planes, in world units.
        pixels: How far neighbouring planes move against each other, seen from the training camera that is
            farthest from the reference view's axis.
        seen: Share of what the views see that lies between the same planes; their sum is 1. None where too
            little is known.
        origin: Clause about the points that show it, for people; empty where too little is known.
    """

    depths: tuple[float, ...]
    pixels: tuple[float, ...]
    seen: tuple[float, ...] | None
    origin: str

    @property
    def ends(self) -> tuple[float, float, float]:
        """The first, the middle and the last step, in pixels."""
        return self.pixels[0], self.pixels[(len(self.pixels) - 1) // 2], self.pixels[-1]

    @property
    def typical(self) -> float | None:
        """Median of the steps over what is seen, in pixels; None where too little is known."""
        if self.seen is None:
            return None
        steps = sorted(zip(self.pixels, self.seen, strict=True))
        before = accumulate(share for _, share in steps)
        return next(
            (step for (step, _), total in zip(steps, before, strict=True) if total >= 0.5), steps[-1][0]
        )

    @property
    def widest(self) -> float:
        """The largest step between which something is seen, in pixels; of all where too little is known."""
        seen = self.seen or (1.0,) * len(self.pixels)
        return max(step for step, share in zip(self.pixels, seen, strict=True) if share > 0)

    def wider_than(self, pixels: float) -> float | None:
        """Return the share of what is seen that lies in larger steps; None where too little is known."""
        if self.seen is None:
            return None
        return sum((share for share, step in zip(self.seen, self.pixels, strict=True) if step > pixels), 0.0)


def plane_steps(
    geometry: MPIGeometry, num_planes: int, baseline: float, seen: SeenDepths | None
) -> PlaneSteps:
    """Measure the steps of planes.

    Args:
        geometry: Of the planes.
        num_planes: How many; at least 2.
        baseline: Of the camera from which they are seen, across the reference view's axis, in world units.
        seen: What the views see; None if nobody looked.
    """
    depths = plane_depths(geometry, num_planes).double().tolist()
    shares, origin = None, ""
    if seen is not None:
        counts, _ = np.histogram(seen.depths.double().numpy(), depths, weights=seen.weights.double().numpy())
        if len(seen.depths) >= _FEWEST and counts.sum() > 0:
            shares, origin = tuple((counts / counts.sum()).tolist()), seen.origin
    pixels = tuple(parallax(geometry.fx, baseline, *pair) for pair in pairwise(depths))
    return PlaneSteps(tuple(depths), pixels, shares, origin)


def spacing_words(spacing: PlaneSpacing) -> str:
    """Return a clause that says how depths run."""
    return f"uniform in {spacing}" if isinstance(spacing, str) else f"along {len(spacing)} listed depths"
