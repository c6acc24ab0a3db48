"""A diagram of cameras, planes and points, from above, from the side and from behind the cameras."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from normnex_pl.core.files import replacing
from normnex_pl.core.text import literal, short
from normnex_pl.core.types import Camera, MPIGeometry, Scene
from normnex_pl.data.survey.diagnosis import LARGEST_STEP
from normnex_pl.data.survey.step_curve import draw_steps
from normnex_pl.data.survey.steps import PlaneSteps, spacing_words

_SIZE = (16.0, 9.0)  # inches
_DOTS_PER_INCH = 110
_MOST_POINTS = 4000
_MOST_PLANES = 24
# Points farther than so many times the last plane would make everything else small.
_BEHIND = 1.2
# Length of a drawn camera's frustum, as a share of the first plane's depth.
_FRUSTUM = 0.12
_TRAINING, _HELD_OUT, _REFERENCE = "tab:blue", "tab:orange", "tab:red"
_PLANES, _POINTS = "tab:green", "0.45"


def write_diagram(path: Path, scene: Scene, steps: PlaneSteps) -> None:
    """Draw a scene.

    Args:
        path: Of the PNG file.
        scene: With its planes.
        steps: Of these planes; fewer planes are drawn, evenly chosen.
    """
    figure = Figure(figsize=_SIZE, dpi=_DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    drawn = figure.subplot_mosaic(
        [["above", "side", "behind"], ["steps"] * 3], width_ratios=[1.2, 1.2, 1], height_ratios=[2, 1]
    )
    above, side, behind = (drawn[name] for name in ("above", "side", "behind"))
    _draw_depths(above, scene, steps.depths, axis=0)
    _draw_depths(side, scene, steps.depths, axis=1)
    _draw_positions(behind, scene)
    draw_steps(drawn["steps"], steps, LARGEST_STEP)
    above.set(title="from above", xlabel="right", ylabel="depth along the reference view's axis")
    side.set(title="from the side", xlabel="depth along the reference view's axis", ylabel="down")
    behind.set(title="cameras, looking where they look", xlabel="right", ylabel="down")
    side.invert_yaxis()
    behind.invert_yaxis()
    geometry = scene.geometry
    planes = f"{len(steps.depths)} planes from {geometry.near:.3g} to {geometry.far:.3g}"
    figure.suptitle(
        f"{_name(scene.name)}: {planes}, {spacing_words(geometry.spacing)}; padding {geometry.padding} "
        "pixels. Units: the nearest depth bound is 4/3."
    )
    with replacing(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # of names in other scripts
        figure.savefig(temporary, format="png")


def _draw_depths(axes: Axes, scene: Scene, depths: Sequence[float], axis: int) -> None:
    """Draw depth against right (axis 0: depth goes up) or down (axis 1: depth goes right)."""
    if scene.points is not None and len(scene.points):
        points = scene.points[:: 1 + len(scene.points) // _MOST_POINTS].numpy()
        points = points[points[:, 2] < _BEHIND * scene.geometry.far]
        axes.plot(*_ordered(points[:, axis], points[:, 2], axis), ".", ms=1.5, color=_POINTS, label="points")
    _draw_planes(axes, scene.geometry, depths, axis)
    # The reference comes last, over the others.
    for index in (*scene.train, *scene.test, scene.reference):
        color, label = _style(scene, index)
        outline = _ordered(*_frustum(scene, scene.views[index].camera, axis), axis)
        axes.plot(*outline, color=color, lw=1, label=label)
    axes.set_aspect("equal", adjustable="datalim")
    handles, labels = axes.get_legend_handles_labels()
    by_label = dict(zip(labels, handles, strict=True))
    if axis == 0:
        axes.legend(by_label.values(), by_label.keys(), loc="lower right", fontsize="small")


def _draw_planes(axes: Axes, geometry: MPIGeometry, depths: Sequence[float], axis: int) -> None:
    """Draw the canvases of evenly chosen planes, the first and the last one bold."""
    count = len(depths)
    drawn = np.linspace(0, count - 1, min(count, _MOST_PLANES)).round().astype(int).tolist()
    label = "planes" if len(drawn) == count else f"planes ({len(drawn)} of {count})"
    for index, depth in ((index, depths[index]) for index in drawn):
        line = _ordered(np.array(_canvas_ends(geometry, depth, axis)), np.full(2, depth), axis)
        width, opacity = (2.0, 1.0) if index in (0, count - 1) else (0.8, 0.5)
        axes.plot(*line, color=_PLANES, lw=width, alpha=opacity, label=label)


def _draw_positions(axes: Axes, scene: Scene) -> None:
    """Draw the positions across the reference view's axis, with names."""
    for index in (*scene.train, *scene.test):
        x, y = scene.views[index].camera.c2w[:2, 3].tolist()
        color, _ = _style(scene, index)
        axes.plot(x, y, "o", ms=6, color=color)
        label = axes.annotate(
            _name(scene.views[index].name), (x, y), (4, 4), textcoords="offset points", fontsize="x-small"
        )
        # Long names would leave no room for the axes.
        label.set_in_layout(False)
    axes.margins(x=0.15, y=0.1)
    axes.set_aspect("equal", adjustable="datalim")


def _name(name: str) -> str:
    """Return a name of the user's as the diagram shows it."""
    return literal(short(name))


def _style(scene: Scene, index: int) -> tuple[str, str]:
    """Return a view's colour, and its meaning for the legend."""
    if index == scene.reference:
        return _REFERENCE, f"reference, {_name(scene.views[index].name)}"
    return (_TRAINING, "training views") if index in scene.train else (_HELD_OUT, "held-out views")


def _ordered(
    across: Float[np.ndarray, "number"], depth: Float[np.ndarray, "number"], axis: int
) -> tuple[Float[np.ndarray, "number"], Float[np.ndarray, "number"]]:
    """Return horizontal and vertical coordinates for the diagram from above (axis 0) or from the side (1)."""
    return (across, depth) if axis == 0 else (depth, across)


def _canvas_ends(geometry: MPIGeometry, depth: float, axis: int) -> tuple[float, float]:
    """Return where a plane's canvas begins and ends along an axis."""
    focal, centre, size = (
        (geometry.fx, geometry.cx, geometry.width)
        if axis == 0
        else (geometry.fy, geometry.cy, geometry.height)
    )
    begin, end = -geometry.padding - centre, size + geometry.padding - centre
    return begin * depth / focal, end * depth / focal


def _frustum(
    scene: Scene, camera: Camera, axis: int
) -> tuple[Float[np.ndarray, "corner"], Float[np.ndarray, "corner"]]:
    """Return the outline of a camera's view frustum, across and in depth."""
    K, c2w = camera.K.double().numpy(), camera.c2w.double().numpy()
    length = _FRUSTUM * scene.geometry.near
    size = (camera.width, camera.height)[axis]
    corners = np.zeros((4, 3))
    for corner, pixel in ((1, 0.0), (2, float(size))):
        corners[corner, axis] = (pixel - K[axis, 2]) / K[axis, axis]
        corners[corner, 2] = 1
    world = length * corners @ c2w[:, :3].T + c2w[:, 3]
    return world[:, axis], world[:, 2]
