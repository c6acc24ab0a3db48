"""Basis functions over the directions by which they are looked up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import singledispatch

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from normnex_pl.core.text import literal
from normnex_pl.export.baked.basis_table import ReflectionTable, octahedral_coordinates
from normnex_pl.geometry.cameras import image_rays
from normnex_pl.model.appearance import DirectionQuery, ReflectionQuery, ViewQuery
from normnex_pl.studies.figures.tables import WIDTH
from normnex_pl.training.trained_run import TrainedRun

_SAMPLES = 96  # across the disc
_COLUMNS = 4
_COSINE = 0.8  # n . w_o at which functions of reflected directions are shown


@dataclass(frozen=True)
class Lookup:
    """Inputs of a basis, and their names in a figure.

    Attributes:
        viewdirs: Unit viewing directions.
        normals: Of a single layer; None where nothing is reflected.
        across: Label of the horizontal axis.
        down: Label of the vertical axis.
        about: A description for the caption.
    """

    viewdirs: Float[Tensor, "sample 3"]
    normals: Float[Tensor, "sample 1 3"] | None
    across: str
    down: str
    about: str


@singledispatch
def lookup_of(query: DirectionQuery, xy: Float[Tensor, "sample 2"]) -> Lookup:
    """Return the inputs of a basis for directions of given x and y; each kind of query registers its own way.

    Args:
        query: The query of the basis.
        xy: Within the unit disc.
    """
    raise NotImplementedError(f"no figure of the basis for {type(query).__name__}")


@lookup_of.register
def _(query: ViewQuery, xy: Float[Tensor, "sample 2"]) -> Lookup:
    viewdirs = torch.cat([xy, _height(xy)], dim=-1)
    return Lookup(viewdirs, None, "v_x", "v_y", "viewing directions away from the camera")


@lookup_of.register
def _(query: ReflectionQuery, xy: Float[Tensor, "sample 2"]) -> Lookup:
    reflected = torch.cat([xy, -_height(xy)], dim=-1)
    cosines = torch.full_like(xy[:, :1], _COSINE)
    coordinates = torch.cat([octahedral_coordinates(reflected), cosines], dim=-1)
    viewdirs, normals = ReflectionTable().inputs(coordinates)
    about = f"reflected directions back to the camera's side, at n . w_o = {_COSINE:g}"
    return Lookup(viewdirs, normals, "r_x", "r_y", about)


@torch.no_grad()
def basis_figure(run: TrainedRun) -> Figure:
    """Show each function over a hemisphere of directions, projected to a disc: red above zero, blue below.

    For functions of the viewing direction, a frame bounds the directions of the scene's photos.
    """
    basis = run.module.mpi.basis
    across = (torch.arange(_SAMPLES) + 0.5) / _SAMPLES * 2 - 1
    y, x = torch.meshgrid(across, across, indexing="ij")
    xy = torch.stack([x, y], dim=-1).flatten(0, 1)
    inside = xy.norm(dim=-1) < 1
    lookup = lookup_of(basis.query, xy[inside].to(run.module.device))
    values = np.full((_SAMPLES**2, basis.num_basis), np.nan)
    values[inside.numpy()] = basis(lookup.viewdirs, lookup.normals)[:, 0].cpu().numpy()
    largest = float(np.nanmax(np.abs(values)))
    rows = math.ceil(basis.num_basis / _COLUMNS)
    figure = Figure(figsize=(WIDTH, 0.9 + WIDTH / _COLUMNS * 0.9 * rows), layout="constrained")
    figure.suptitle(literal(f"{run.label}: basis functions, {lookup.about}"), fontsize=11)
    grid = figure.subplots(rows, _COLUMNS, squeeze=False)
    for place, axes in enumerate(grid.flat):
        axes.set_axis_off()
        if place < basis.num_basis:
            picture = values[:, place].reshape(_SAMPLES, _SAMPLES)
            shown = axes.imshow(picture, cmap="RdBu_r", vmin=-largest, vmax=largest, extent=(-1, 1, 1, -1))
            axes.set_title(f"H{place + 1}", fontsize=9)
    _label(grid[0, 0], lookup)
    if not basis.query.needs_normals:
        for axes in grid.flat[: basis.num_basis]:
            axes.plot(*_border(run), color="black", linewidth=1)
    figure.colorbar(shown, ax=list(grid.flat), shrink=0.6)
    return figure


def _height(xy: Float[Tensor, "sample 2"]) -> Float[Tensor, "sample 1"]:
    """Return the z of unit vectors."""
    return (1 - xy.square().sum(dim=-1, keepdim=True)).clamp(min=0).sqrt()


def _label(axes: Axes, lookup: Lookup) -> None:
    axes.set_axis_on()
    axes.set_xlabel(lookup.across, fontsize=8)
    axes.set_ylabel(lookup.down, fontsize=8)
    axes.tick_params(labelsize=7)


def _border(run: TrainedRun) -> tuple[list[float], list[float]]:
    """Return x and y of a frame around the viewing directions of all photos."""
    scene = run.data.scene
    directions = torch.cat([image_rays(view.camera).viewdirs.flatten(0, 1) for view in scene.views])
    (left, top), (right, bottom) = (
        directions[:, :2].min(dim=0).values.tolist(),
        directions[:, :2].max(dim=0).values.tolist(),
    )
    return [left, right, right, left, left], [top, top, bottom, bottom, top]
