"""The curve of steps between planes over depth, above the histogram of what the views see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from normnex_pl.data.survey.steps import PlaneSteps

_BINS = 96
_STEPS, _SEEN, _LIMIT = "tab:green", "0.8", "tab:red"
# Steps above this many times the limit are cut off, so that the others stay legible.
_HIGHEST = 4.0


def draw_steps(axes: Axes, steps: PlaneSteps, limit: float) -> None:
    """Draw the steps of planes.

    Args:
        axes: To draw on.
        steps: To draw.
        limit: Pixels beyond which gaps show, drawn as a line.
    """
    middles = np.sqrt(np.array(steps.depths[:-1]) * np.array(steps.depths[1:]))
    axes.set_xscale("log")
    axes.set_xlim(steps.depths[0], steps.depths[-1])
    axes.set_zorder(1)
    axes.patch.set_visible(False)
    axes.plot(middles, steps.pixels, color=_STEPS, lw=2, label="step between planes")
    axes.axhline(limit, color=_LIMIT, ls="--", lw=1, label=f"{limit:g} pixels: edges double beyond")
    axes.set_ylim(0, min(1.1 * max(*steps.pixels, limit), _HIGHEST * limit))
    axes.set(xlabel="depth along the reference view's axis", ylabel="pixels of parallax")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    if steps.seen is not None:
        _draw_seen(axes, steps, steps.seen)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, fontsize="small", frameon=False)


def _draw_seen(axes: Axes, steps: PlaneSteps, shares: Sequence[float]) -> None:
    """Draw what is seen behind the curve, in bins of the same width on the axis.

    What lies between two planes is spread evenly over the bins between them.
    """
    seen = axes.twinx()
    bins = np.geomspace(steps.depths[0], steps.depths[-1], _BINS + 1)
    before = np.interp(np.log(bins), np.log(steps.depths), np.cumsum([0.0, *shares]))
    seen.stairs(np.diff(before), bins, color=_SEEN, fill=True)
    seen.set(ylabel="share of what the views see", yticks=[], ylim=(0, None))
    seen.set_zorder(0)
    # For the legend of the curve.
    axes.fill_between([], [], color=_SEEN, label=f"points {steps.origin}, by contrast")
