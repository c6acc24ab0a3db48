"""Pictures of what a model has learned, component by component; `colors` states their colours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from normnex_pl.core.types import MPIGeometry, View
from normnex_pl.evaluation.pictures.colors import (
    ERROR_SCALE,
    SPECULAR_GAIN,
    error_map,
    error_picture,
    mapped_colors,
    to_bytes,
)
from normnex_pl.evaluation.pictures.legends import bar_legend, chroma_plane, sphere_normals, symbol_legend
from normnex_pl.evaluation.pictures.sheet import Panel
from normnex_pl.model.appearance.color import chroma_to_rgb

_DIM = 0.25  # the brightness of what a mask ignores

Picture = UInt8[np.ndarray, "height width 3"]


def normals_picture(
    normals: Float[Tensor, "height width 3"], rotation: Float[Tensor, "3 3"]
) -> UInt8[np.ndarray, "height width 3"]:
    """Show normals as the view's camera sees them.

    Args:
        normals: In the reference frame; zero where there are none.
        rotation: Camera to reference frame: the first three columns of the camera's ``c2w``.
    """
    # Row vectors times R: each becomes R^T n.
    in_camera = normals @ rotation
    return to_bytes((in_camera * in_camera.new_tensor([1, -1, -1]) + 1) / 2)


def depth_picture(
    depth: Float[Tensor, "height width"], geometry: MPIGeometry
) -> UInt8[np.ndarray, "height width 3"]:
    """Show depths in world units along the reference camera's axis."""
    return mapped_colors((geometry.far - depth) / (geometry.far - geometry.near), "viridis")


def disparity_picture(
    disparity: Float[Tensor, "height width"], geometry: MPIGeometry
) -> UInt8[np.ndarray, "height width 3"]:
    """Show inverse depths, per world unit."""
    near, far = 1 / geometry.near, 1 / geometry.far
    return mapped_colors((disparity - far) / (near - far), "viridis")


def specular_picture(
    specular: Float[Tensor, "height width 3"], signed: bool
) -> UInt8[np.ndarray, "height width 3"]:
    """Show the part of a colour that depends on the view.

    Args:
        specular: In [-1, 1], or more in a layer before anything clamps.
        signed: Whether the model lets it be negative.
    """
    return to_bytes(0.5 + specular / 2 if signed else SPECULAR_GAIN * specular)


def chroma_picture(chroma: Float[Tensor, "height width 2"]) -> UInt8[np.ndarray, "height width 3"]:
    """Show (Cb, Cr) in [-0.5, 0.5]."""
    return to_bytes(0.5 * chroma_to_rgb(chroma))


def grey_picture(values: Float[Tensor, "height width"]) -> UInt8[np.ndarray, "height width 3"]:
    """Show values in [0, 1]."""
    return to_bytes(values[..., None].expand(-1, -1, 3))


def specular_legend(signed: bool) -> UInt8[np.ndarray, "height width 3"]:
    """Return the bar of `specular_picture`."""

    def show(values: Float[Tensor, "height width"]) -> Picture:
        return specular_picture(values[..., None].expand(-1, -1, 3), signed)

    return bar_legend(show, -1.0, 1.0) if signed else bar_legend(show, 0.0, 1 / SPECULAR_GAIN)


def error_legend() -> UInt8[np.ndarray, "height width 3"]:
    """Return the bar of `error_picture`."""
    return bar_legend(error_picture, 0.0, ERROR_SCALE)


def photo_panels(image: Float[Tensor, "height width 3"], view: View) -> list[Panel]:
    """Show a rendered image, the photo of the same camera, and where they differ.

    Of a photo with a mask, ignored pixels are dimmed, and their error is shown as none.
    """
    photo = view.rgb if view.mask is None else torch.where(view.mask[..., None], view.rgb, _DIM * view.rgb)
    compared = image if view.mask is None else torch.where(view.mask[..., None], image, view.rgb)
    return [
        Panel("render", "render", to_bytes(image)),
        Panel("truth", "truth", to_bytes(photo)),
        Panel("error", "error", error_map(compared, view.rgb), error_legend()),
    ]


def component_panels(
    shown: dict[str, Tensor], view: View, geometry: MPIGeometry, signed: bool
) -> list[Panel]:
    """Show all that a model has of a view.

    Args:
        shown: The components that `MPI.render_image` returns, and ``target_normals`` where they are
            estimated; those without a panel are left out.
        view: The photo and its camera.
        geometry: Whose depth range bounds the colours.
        signed: Whether the specular part may be negative.

    Returns:
        The panels in the order of a sheet.
    """
    render, photo, error = photo_panels(shown["rgb"], view)
    photo = replace(photo, name="photo", title="photo")
    panels = [render, photo, error, Panel("diffuse", "diffuse", to_bytes(shown["diffuse"]))]
    for name, make in _makers(view, geometry, signed).items():
        if name in shown:
            panels.append(make(shown[name]))
    return panels


def _makers(view: View, geometry: MPIGeometry, signed: bool) -> dict[str, Callable[[Tensor], Panel]]:
    """Return how to show components that not every model has, or whose colours need a legend."""
    near, far = geometry.near, geometry.far
    depth, disparity = (partial(show, geometry=geometry) for show in (depth_picture, disparity_picture))
    specular = "specular (grey is zero)" if signed else f"specular (x {SPECULAR_GAIN:g})"
    return {
        "specular": lambda s: Panel(
            "specular", specular, specular_picture(s, signed), specular_legend(signed)
        ),
        "tint": lambda t: Panel("tint", "tint", grey_picture(t[..., 0]), bar_legend(grey_picture, 0.0, 1.0)),
        "chroma": lambda c: Panel("chroma", "chroma", chroma_picture(c), _chroma_legend()),
        "acc": lambda a: Panel(
            "acc", "accumulated opacity", grey_picture(a), bar_legend(grey_picture, 0.0, 1.0)
        ),
        "disparity": lambda d: Panel(
            "disparity", "disparity", disparity(d), bar_legend(disparity, 1 / near, 1 / far, " / world unit")
        ),
        "depth": lambda d: Panel("depth", "depth", depth(d), bar_legend(depth, near, far, " world units")),
        "target_normals": lambda n: _normals_panel("target_normals", "estimated normals", n, view),
        "normals": lambda n: _normals_panel("normals", "predicted normals", n, view),
    }


def _normals_panel(name: str, title: str, normals: Tensor, view: View) -> Panel:
    return Panel(name, title, normals_picture(normals, view.camera.c2w[:, :3]), _normals_legend())


def _normals_legend() -> Picture:
    """Return a sphere on white."""
    normals = sphere_normals()
    sphere = normals_picture(normals, torch.eye(3)).copy()
    sphere[(normals == 0).all(dim=-1).numpy()] = 255
    return symbol_legend(sphere, ["a sphere, seen by", "this camera;", "none: grey"])


def _chroma_legend() -> Picture:
    plane = chroma_picture(chroma_plane())
    return symbol_legend(plane, ["right: Cb, up: Cr,", "both -0.5 to 0.5"])
