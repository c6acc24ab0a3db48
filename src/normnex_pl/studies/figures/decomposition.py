"""The decomposition of one model: components of a view, layers, and specular highlights scaled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure

from normnex_pl.evaluation.pictures.colors import to_bytes
from normnex_pl.evaluation.pictures.components import component_panels
from normnex_pl.evaluation.pictures.layers import check_layers, mpi_sheet
from normnex_pl.evaluation.pictures.sheet import panel_grid
from normnex_pl.model.mpi import RenderOptions
from normnex_pl.studies.figures.tables import picture_table
from normnex_pl.training.trained_run import TrainedRun

_COLUMNS = 3


def components_figure(run: TrainedRun, view: str | None = None) -> Figure:
    """Show all components of a view, with legends.

    Args:
        run: The model and its scene.
        view: Its name; None for the first held-out one.

    Raises:
        UserError: There is no such view.
    """
    shown = run.view(view)
    mpi = run.module.mpi
    panels = component_panels(run.components(shown), shown, mpi.geometry, mpi.color.signed)
    return _sheet(panel_grid(panels, _COLUMNS), f"{shown.name} of {run.label}")


def planes_figure(run: TrainedRun, layers: Sequence[int] | None = None) -> Figure:
    """Show the stored content of layers as the reference camera sees it, front to back.

    Args:
        run: The model.
        layers: Counted from 0 at the front; None for up to eight, evenly spread, and the one before the last.

    Raises:
        UserError: There is no such layer.
    """
    mpi = run.module.mpi
    check_layers("layers", layers, mpi.num_layers)
    return _sheet(mpi_sheet(mpi, layers, run.module.eval_chunk_size), f"Layers of {run.label}")


def relighting_figure(run: TrainedRun, gains: Sequence[int | float], view: str | None = None) -> Figure:
    """Show a view with the specular part of each plane multiplied by a gain, before anything clamps.

    Args:
        run: The model and its scene.
        gains: 0 shows the base colour alone, 1 the model's own picture.
        view: Its name; None for the first held-out one.

    Raises:
        UserError: There is no such view.
    """
    shown = run.view(view)
    pictures = []
    for gain in gains:
        options = RenderOptions(specular_gain=float(gain))
        rendered = run.module.mpi.render_image(shown.camera, run.module.eval_chunk_size, options)
        pictures.append(to_bytes(rendered["rgb"]))
    titles = [f"specular gain {gain:g}" for gain in gains]
    return picture_table([pictures], f"{shown.name} of {run.label}", titles)[0]


def _sheet(sheet: UInt8[np.ndarray, "height width 3"], caption: str) -> Figure:
    return picture_table([[sheet]], caption, [""])[0]
