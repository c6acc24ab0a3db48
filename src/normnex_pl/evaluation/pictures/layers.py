"""The stored multiplane image on one page: textures of layers as the reference camera sees them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange, reduce
from jaxtyping import Float, UInt8
from torch import Tensor

from normnex_pl.core.errors import UserError
from normnex_pl.core.rendering import FieldOutput, RenderOutput
from normnex_pl.core.types import Rays
from normnex_pl.evaluation.pictures.colors import SPECULAR_GAIN, to_bytes
from normnex_pl.evaluation.pictures.components import grey_picture, specular_legend, specular_picture
from normnex_pl.evaluation.pictures.legends import bar_legend
from normnex_pl.evaluation.pictures.sheet import Panel, panel_table
from normnex_pl.geometry.planes import canvas_grid, canvas_points
from normnex_pl.model.compositing import composite, composite_weights
from normnex_pl.model.mpi import MPI

_MOST_LAYERS = 8
_WIDTH = 320  # pixels of a texture on the sheet, at most


@dataclass(frozen=True)
class LayerTextures:
    """The stored content of layers over the whole canvas.

    Attributes:
        base_color: k0 as sRGB, whether it can be seen or not; the mean over the layer's planes.
        alpha: Opacity of all planes of the layer together, 1 - prod(1 - alpha).
        seen: The base colour over black, as the layer alone shows it: base colour x alpha.
        specular: What the colour model adds in the reference camera's viewing directions.
        seen_specular: specular x alpha.
    """

    base_color: Float[Tensor, "layer height width 3"]
    alpha: Float[Tensor, "layer height width 1"]
    seen: Float[Tensor, "layer height width 3"]
    specular: Float[Tensor, "layer height width 3"]
    seen_specular: Float[Tensor, "layer height width 3"]


def check_layers(name: str, layers: Sequence[int] | None, num_layers: int) -> None:
    """Check the layers that a setting names.

    Args:
        name: Of the setting.
        layers: Indices, or None.
        num_layers: Layers that there are.

    Raises:
        UserError: There is no such layer, or the list is empty.
    """
    if layers is not None and (not layers or not all(0 <= layer < num_layers for layer in layers)):
        raise UserError(f"{name}: expected some of 0 to {num_layers - 1}, found {list(layers)}.")


def spread_layers(num_layers: int) -> list[int]:
    """Choose up to eight layers, evenly spread from the first to the last, and the one before the last.

    The background often sits on the last two.
    """
    steps = min(num_layers, _MOST_LAYERS)
    spread = {round(share * (num_layers - 1)) for share in torch.linspace(0, 1, steps).tolist()}
    return sorted(spread | {max(0, num_layers - 2), num_layers - 1})


@torch.no_grad()
def layer_textures(
    mpi: MPI, layers: Sequence[int], width: int = _WIDTH, chunk_size: int = 16384
) -> LayerTextures:
    """Evaluate layers where the rays of the reference camera through the canvas meet them.

    Args:
        mpi: The model.
        layers: Indices of the layers.
        width: Largest width of a texture in pixels; the canvas itself may be smaller.
        chunk_size: Rays at once.
    """
    size = mpi.geometry.canvas_width, mpi.geometry.canvas_height
    shrink = max(1.0, size[0] / width)
    # Two samples a pixel and axis where pixels are larger than the canvas's own, against aliasing.
    samples = min(2, math.ceil(shrink))
    columns, rows = (samples * max(1, round(pixels / shrink)) for pixels in size)
    grid = canvas_grid(rows, columns, mpi.depths.device)
    directions = canvas_points(grid, torch.ones_like(grid[..., 0]), mpi.geometry).flatten(0, 1)
    parts: list[list[Tensor]] = []
    with mpi.field.prepared():
        for some in directions.split(chunk_size):
            rays = Rays(torch.zeros_like(some), some)
            met = mpi.intersect(rays)
            stored = mpi.field(met)
            parts.append(
                [value[:, layers] for value in _of_layers(mpi, stored, mpi.shade(rays, met, stored))]
            )
    return LayerTextures(
        *(
            reduce(
                torch.cat(values),
                "(row a column b) layer value -> layer row column value",
                "mean",
                a=samples,
                b=samples,
                row=rows // samples,
            )
            for values in zip(*parts, strict=True)
        )
    )


def _of_layers(mpi: MPI, stored: FieldOutput, rendered: RenderOutput) -> list[Tensor]:
    """Return the attributes of `LayerTextures`, each ``[ray, layer, value]``."""
    base_color = rearrange(stored.base_color, "ray (layer sub) rgb -> ray layer sub rgb", sub=mpi.sublayers)
    weights = composite_weights(
        rearrange(rendered.stored_planes.alpha, "ray (layer sub) -> ray layer sub", sub=mpi.sublayers)
    )
    alpha = weights.sum(dim=-1, keepdim=True)  # = 1 - prod(1 - alpha) of the layer's planes
    seen = composite(weights, base_color)
    specular = rendered.specular
    return [base_color.mean(dim=2), alpha, seen, specular, alpha * specular]


def mpi_sheet(
    mpi: MPI, layers: Sequence[int] | None = None, chunk_size: int = 16384
) -> UInt8[np.ndarray, "height width 3"]:
    """Show layers in rows, front to back.

    Args:
        mpi: The model.
        layers: Indices of the layers; None for `spread_layers`.
        chunk_size: Rays at once.
    """
    chosen = spread_layers(mpi.num_layers) if layers is None else layers
    textures = layer_textures(mpi, chosen, chunk_size=chunk_size)
    rows = [_layer_panels(textures, row, mpi.color.signed) for row in range(len(chosen))]
    return panel_table(rows, [f"layer {i}, depth {float(mpi.layer_depths[i]):.3g}" for i in chosen])


def _layer_panels(textures: LayerTextures, row: int, signed: bool) -> list[Panel]:
    """Return the panels of one layer."""
    scale = "(grey is zero)" if signed else f"(x {SPECULAR_GAIN:g})"
    grey, bar = bar_legend(grey_picture, 0.0, 1.0), specular_legend(signed)
    specular, seen_specular = (
        specular_picture(values[row], signed) for values in (textures.specular, textures.seen_specular)
    )
    return [
        Panel("base_color", "base colour", to_bytes(textures.base_color[row])),
        Panel("alpha", "alpha", grey_picture(textures.alpha[row, ..., 0]), grey),
        Panel("seen", "base colour x alpha", to_bytes(textures.seen[row])),
        Panel("specular", f"specular {scale}", specular, bar),
        Panel("seen_specular", f"specular x alpha {scale}", seen_specular, bar),
    ]
