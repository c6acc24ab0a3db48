"""Options of viewpoints, which `normnex video` and `normnex export` share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from normnex_pl.core.errors import UserError
from normnex_pl.export.stereo.eyes import Eyes
from normnex_pl.export.stereo.layouts import LAYOUTS, StereoLayout


@dataclass(frozen=True)
class StereoOptions:
    """Where viewpoints stand, and the shape of a quilt.

    Attributes:
        eye_distance: Of stereo and quilts: between the outermost viewpoints, as a share of the capture's
            width; by default 0.1575 for a pair (6.3 cm of 40 cm), and the whole width for a quilt, or as much
            as its display shows.
        convergence: Of stereo and quilts: depth, in world units, that appears on the screen; by default the
            median of what the middle camera sees.
        quilt_columns: Of quilts: views beside each other; by default 8.
        quilt_rows: Of quilts: rows of views; by default 6.
        quilt_aspect: Of quilts: width by height of a view; by default the photos'.
    """

    eye_distance: float | None = None
    convergence: float | None = None
    quilt_columns: int | None = None
    quilt_rows: int | None = None
    quilt_aspect: float | None = None


def make_eyes(options: StereoOptions) -> Eyes:
    """Return where the viewpoints stand."""
    return Eyes(options.eye_distance, options.convergence)


def make_layout(name: str | None, options: StereoOptions) -> StereoLayout | None:
    """Return the layout of a name, with the options that concern it; None without a name.

    Raises:
        UserError: It doesn't have one of the options.
    """
    if name is None:
        return None
    layout: Any = LAYOUTS[name]
    for field in ("columns", "rows", "aspect"):
        value = getattr(options, f"quilt_{field}")
        if value is None:
            continue
        if field not in layout.__dataclass_fields__:
            raise UserError(f"--quilt_{field}: expected a quilt, found {name}. Leave it out.")
        layout = replace(layout, **{field: value})
    chosen: StereoLayout = layout
    return chosen
