"""Optimal quantisation of depths: a density of planes that is least off what the views see.

Content at a disparity s (inverse depth) that is drawn on the nearest of planes d apart is off by up to d / 2,
and by f b d / 2 pixels seen from a camera at a distance b from the reference (see `parallax`). With a density
of planes l(s), d = 1 / l. If the error of a picture grows with the r-th power of its shift, that of all
content is proportional to the integral of q / l^r, q being the density of content. Under a fixed number of
planes, the integral of l, it is least for l proportional to q^(1 / (1 + r)) (Panter and Dite, Quantization
distortion in pulse-count modulation with nonuniform spacing of levels, Proc. IRE 1951, for r = 2; Zador,
Asymptotic quantization error of continuous signals and the quantization dimension, IEEE Trans. Inf. Theory
1982).

The squared error of smooth pictures grows with the square of small shifts, r = 2: in depth that is the cube
root of content per depth times the square of parallax per depth. That of pictures made of edges is the area
that edges sweep, r = 1. Content that is even in disparity gets planes uniform in disparity in any case.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from normnex_pl.core.errors import UserError

_BINS = 512
_ROUNDS = 60
_TRACE = 1e-6
_REACH = 4  # standard deviations


@dataclass(frozen=True)
class PlaneQuantizer:
    """Density of planes over disparity, from the disparities that the views see.

    All limits are ratios to planes that are uniform in disparity between the same bounds, so that they
    hold for any number of planes, any baseline and any width of the photos.

    Attributes:
        exponent: Of the content's density, 1 / (1 + r); 0 is uniform in disparity.
        widest: Largest step between neighbours, 1 or more, also where nothing was found: plain surfaces have
            no points.
        narrowest: Smallest step, 1 or less: finer than the evidence is, planes are better used elsewhere.
        blur: Standard deviation, as a share of the range, by which the evidence is smoothed.

    Raises:
        UserError: A value is out of its range.
    """

    exponent: float = 1 / 3
    widest: float = 2.5
    narrowest: float = 0.2
    blur: float = 0.01

    def __post_init__(self) -> None:
        if not (0 <= self.exponent <= 1 and 0 < self.narrowest <= 1 <= self.widest and 0 <= self.blur <= 1):
            raise UserError(
                "data.placement.quantizer: expected an exponent and a blur of 0 to 1 and narrowest <= 1 <= "
                f"widest, found {self.exponent:g}, {self.blur:g}, {self.narrowest:g} and {self.widest:g}."
            )

    def __call__(
        self,
        disparities: Float[np.ndarray, "content"],
        weights: Float[np.ndarray, "content"],
        near: float,
        far: float,
        count: int,
    ) -> Float[np.ndarray, "plane"]:
        """Return depths from near to far, both included, that follow the density.

        Args:
            disparities: Of what the views see; outside of the bounds they don't count.
            weights: Of each, such as the number of views that see it.
            near: Depth of the first plane.
            far: Depth of the last plane.
            count: Of depths.
        """
        content, _ = np.histogram(disparities, _BINS, (1 / far, 1 / near), weights=weights)
        density = self.density(content)
        # From near to far, as planes are counted.
        share = np.concatenate([[0.0], np.cumsum(density[::-1])]) / density.sum()
        places = np.interp(np.linspace(0, 1, count), share, np.linspace(1 / near, 1 / far, _BINS + 1))
        depths = 1 / places
        depths[[0, -1]] = near, far
        return depths

    def density(self, content: Float[np.ndarray, "bin"]) -> Float[np.ndarray, "bin"]:
        """Return the density of planes over equal bins of disparity, with a mean of 1.

        Under the limits the optimum is the unlimited one, scaled and then clipped: these are the conditions
        of Karush, Kuhn and Tucker. The scale is found by bisection.

        Args:
            content: In each bin, in any unit; none at all gives planes uniform in disparity.
        """
        blurred = _blurred(content.astype(np.float64), self.blur * len(content))
        if not blurred.sum() > 0:
            return np.ones(len(content))
        # A trace everywhere, so that planes that the limits leave over go somewhere.
        wanted = (blurred / blurred.mean() + _TRACE) ** self.exponent
        least, most = 1 / self.widest, 1 / self.narrowest
        low, high = 0.0, most / wanted.min()
        for _ in range(_ROUNDS):
            scale = (low + high) / 2
            mean = np.clip(scale * wanted, least, most).mean()
            low, high = (scale, high) if mean < 1 else (low, scale)
        return np.clip(high * wanted, least, most)


def _blurred(values: Float[np.ndarray, "bin"], deviation: float) -> Float[np.ndarray, "bin"]:
    """Return values blurred by a Gaussian, mirrored at the ends so that none of their sum gets lost."""
    reach = min(len(values), round(_REACH * deviation))
    kernel = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) / max(deviation, 1e-9)))
    return np.convolve(np.pad(values, reach, mode="symmetric"), kernel / kernel.sum(), mode="valid")
