"""Normals of several models against a scene's truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from torch import Tensor

from normnex_pl.core.errors import UserError
from normnex_pl.core.text import literal
from normnex_pl.core.truth import ViewTruth
from normnex_pl.core.types import View
from normnex_pl.data.truth import read_truth
from normnex_pl.evaluation.pictures.colors import mapped_colors, to_bytes
from normnex_pl.evaluation.pictures.components import normals_picture
from normnex_pl.evaluation.truth_scores import (
    REGIONS,
    angles_deg,
    constant_normals,
    labelled,
    rotate_to_camera,
)
from normnex_pl.studies.figures.tables import picture_table
from normnex_pl.training.trained_run import TrainedRun

_LARGEST_ANGLE = 60.0  # degrees, at the end of the colours
_COLOR_MAP = "magma"
_SHOWN = {"target_normals": "estimated n", "normals": "predicted n'"}


def normal_maps_figure(runs: Sequence[TrainedRun], view: str | None = None) -> Figure:
    """Show the true normals, and the estimated and predicted ones of each model with their errors.

    Args:
        runs: Models with normals and an estimator, of one scene with truth.
        view: Its name; None for the first held-out one.

    Raises:
        UserError: There is no run or no such view, a run has no normals, or the scene no truth.
    """
    shown, truth = _known(runs, view)
    facing = torch.eye(3, device=truth.normals.device)
    rows = [[to_bytes(shown.rgb), None, normals_picture(truth.normals, facing), None]]
    for run in runs:
        normals = _normals(run, shown.name)
        angles = {name: _angle_picture(angles_deg(normals[name], truth.normals)) for name in _SHOWN}
        pictures = {name: normals_picture(normals[name], facing) for name in _SHOWN}
        rows.append([picture for name in _SHOWN for picture in (pictures[name], angles[name])])
    caption = f"{shown.name} of " + "\n".join(run.label for run in runs)
    figure, axes = picture_table(
        rows, caption, ["photo", "", "true normals", ""], ["", *(run.variant for run in runs)]
    )
    titles = [title for name in _SHOWN.values() for title in (name, "its error")]
    for some, title in zip(axes[1], titles, strict=True):
        some.set_title(title, fontsize=10)
    scale = ScalarMappable(Normalize(0, _LARGEST_ANGLE), _COLOR_MAP)
    figure.colorbar(scale, ax=axes[0][3], orientation="horizontal", label="error (degrees)", fraction=0.3)
    return figure


def normal_error_figure(runs: Sequence[TrainedRun], view: str | None = None) -> Figure:
    """Show, for each kind of surface, the cumulative distribution of the normals' error.

    Solid lines: predicted normals; dotted: estimated; grey: the constant (0, 0, -1). Pixels are weighted by
    their opacity.

    Args:
        runs: Models with normals and an estimator, of one scene with truth.
        view: Its name; None for the first held-out one.

    Raises:
        UserError: There is no run or no such view, a run has no normals, or the scene no truth.
    """
    shown, truth = _known(runs, view)
    regions = [name for name in REGIONS if name != "all"]
    figure = Figure(figsize=(12.0, 3.6), layout="constrained")
    figure.suptitle(literal(f"{shown.name} of " + "\n".join(run.label for run in runs)), fontsize=10)
    grid = figure.subplots(1, len(regions), sharey=True, squeeze=False)[0]
    constant = angles_deg(constant_normals(shown.camera), truth.normals)
    all_normals = [_normals(run, shown.name) for run in runs]
    all_angles = [
        {name: angles_deg(normals[name], truth.normals) for name in _SHOWN} for normals in all_normals
    ]
    for axes, region in zip(grid, regions, strict=True):
        inside = labelled(truth, REGIONS[region])
        axes.plot(*_shares(constant[inside], torch.ones_like(constant[inside])), color="grey", linewidth=1)
        for place, (run, normals, angles) in enumerate(zip(runs, all_normals, all_angles, strict=True)):
            for name, style in (("normals", "-"), ("target_normals", ":")):
                label = literal(run.variant) if style == "-" else None
                x, y = _shares(angles[name][inside], normals["acc"][inside])
                axes.plot(x, y, style, color=f"C{place}", label=label)
        axes.set_title(region, fontsize=10)
        axes.set_xlabel("error (degrees)")
        axes.set_xlim(0, 90)
        axes.grid(alpha=0.3)
    grid[0].set_ylabel("share of pixels below")
    grid[0].legend(fontsize=8)
    return figure


def _known(runs: Sequence[TrainedRun], view: str | None) -> tuple[View, ViewTruth]:
    """Return the view and the truth about it.

    Raises:
        UserError: There is no run, no such view, or no truth.
    """
    if not runs:
        raise UserError("runs: expected at least one trained model to show, found none.")
    shown, root = runs[0].view(view), runs[0].data.scene.root
    truth = read_truth(root, shown.name, shown.camera.height, shown.camera.width)
    if truth is None:
        raise UserError(
            f"{root}: expected a scene with truth/{shown.name}.npz about photos of this size, found none. "
            "The demo scene has it, at the size that it was rendered in."
        )
    return shown, truth.to(shown.image.device)


def _normals(run: TrainedRun, view: str) -> dict[str, Tensor]:
    """Return estimated and predicted normals in the camera's axes, and the accumulated opacity.

    The camera is the run's own: the world frame of another run may be that of another reference view.

    Raises:
        UserError: The model has no normals.
    """
    shown = run.view(view)
    components = run.components(shown)
    if missing := [title for name, title in _SHOWN.items() if name not in components]:
        raise UserError(
            f"{run.folder}: expected a model with normals, found {run.variant} without {', '.join(missing)}. "
            "Choose a variant of Norm-NeX."
        )
    normals = {name: rotate_to_camera(components[name], shown.camera) for name in _SHOWN}
    return normals | {"acc": components["acc"]}


def _angle_picture(angles: Float[Tensor, "height width"]) -> UInt8[np.ndarray, "height width 3"]:
    return mapped_colors(angles / _LARGEST_ANGLE, _COLOR_MAP)


def _shares(angles: Float[Tensor, "pixel"], weights: Float[Tensor, "pixel"]) -> tuple[np.ndarray, np.ndarray]:
    """Return angles from 0 to 90 degrees, and the share of the weight below each."""
    limits = torch.linspace(0, 90, 181, device=angles.device)
    ordered, order = angles.sort()
    below = torch.cat([weights.new_zeros(1), weights[order].cumsum(dim=0)])
    counted = below[torch.searchsorted(ordered, limits)]
    return limits.cpu().numpy(), (counted / below[-1].clamp(min=1e-6)).cpu().numpy()
