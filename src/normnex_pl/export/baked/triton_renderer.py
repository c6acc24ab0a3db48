"""Render a baked multiplane image by `triton_kernels`: an image is one launch, and nothing is copied."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import triton
from torch import Tensor

from normnex_pl.core.types import Camera
from normnex_pl.export.baked.image import LEAST_LIGHT, BakedMPI
from normnex_pl.export.baked.tiled_texture import TiledTexture
from normnex_pl.kernels import baked_shading as shading
from normnex_pl.kernels import launch
from normnex_pl.kernels.baked import render_kernel

# By their names in the manifest: a function, and the components that there are because of it.
_COLORS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "rgb": (shading.rgb, ()),
    "ycbcr": (shading.ycbcr, ("tint", "chroma")),
    "additive_ycbcr": (shading.additive_ycbcr, ("tint", "chroma")),
}
_NORMALS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "none": (shading.no_normals, ()),
    "predicted": (shading.predicted_normals, ("normals",)),
    "flat": (shading.flat_normals, ("normals",)),
}
# What is looked up once a ray, and on each layer.
_QUERIES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "view": (shading.basis_of_view, shading.same_basis),
    "reflection": (shading.no_basis, shading.basis_of_reflection),
}
# Channels of the kernel's picture.
_ALWAYS = ("rgb", "diffuse", "specular", "acc", "depth", "disparity")
_CHANNELS: dict[str, slice | int] = {
    "rgb": slice(0, 3),
    "diffuse": slice(3, 6),
    "specular": slice(6, 9),
    "tint": slice(9, 10),
    "chroma": slice(10, 12),
    "normals": slice(12, 15),
    "acc": 15,
    "depth": 16,
    "disparity": 17,
}
_NUM_CHANNELS = 18


@dataclass(frozen=True)
class TritonRenderer:
    """Render with the components of `TorchRenderer`.

    Attributes:
        least_light: See `BakedMPI.render`.
        block: Width and height of a block of pixels: powers of two. Skipping and ending early are up to it.
        warps: Groups of 32 threads that work on a block. One needs no barrier.
    """

    name: ClassVar[str] = "triton"

    least_light: float = LEAST_LIGHT
    block: tuple[int, int] = (8, 4)
    warps: int = 1

    @torch.no_grad()
    def __call__(self, baked: BakedMPI, camera: Camera) -> dict[str, Tensor]:
        """See `Renderer`."""
        manifest, device = baked.manifest, baked.depths.device
        color, parts = _COLORS[manifest["color"]["model"]]
        normals, shown = _NORMALS[manifest["normals"]]
        ray_basis, layer_basis = _QUERIES[manifest["basis"]["query"]]
        channels = torch.empty(_NUM_CHANNELS, camera.height, camera.width, device=device)
        grid = (math.ceil(camera.width / self.block[0]), math.ceil(camera.height / self.block[1]))
        launch(
            render_kernel,
            grid,
            channels,
            camera.K.float().contiguous(),
            camera.c2w.float().contiguous(),
            camera.width,
            camera.height,
            **_scene(baked),
            least_light=self.least_light,
            COLOR=color,
            NORMALS=normals,
            RAY_BASIS=ray_basis,
            LAYER_BASIS=layer_basis,
            BLOCK_WIDTH=self.block[0],
            BLOCK_HEIGHT=self.block[1],
            num_warps=self.warps,
        )
        pictures = {name: channels[_CHANNELS[name]] for name in (*_ALWAYS, *parts, *shown)}
        return {
            name: values.movedim(0, -1) if values.ndim == 3 else values for name, values in pictures.items()
        }


def _scene(baked: BakedMPI) -> dict[str, Any]:
    """Return the kernel's arguments that are the same for all cameras."""
    geometry, planes = baked.geometry, len(baked.depths)
    *table_depth, table_height, table_width, num_basis = baked.table.shape
    luma_may_be_negative = baked.manifest["color"]["signed"]
    return {
        "focal_x": geometry.fx / geometry.canvas_width,
        "focal_y": geometry.fy / geometry.canvas_height,
        "centre_x": (geometry.cx + geometry.padding) / geometry.canvas_width,
        "centre_y": (geometry.cy + geometry.padding) / geometry.canvas_height,
        "depths": baked.depths,
        "layer_depths": baked.layer_depths,
        **_texture("alpha", "alpha_texels", baked.alpha.tiles, baked.alpha),
        **_texture("base", "base_words", baked.base_color.tiles.view(torch.int32), baked.base_color),
        **_texture("feature", "feature_texels", baked.features.tiles, baked.features),
        "table": baked.table,
        "gate": baked.gate,
        "least_luma": -math.inf if luma_may_be_negative else 0.0,
        "first_opaque": planes - 1 if baked.manifest["background"] == "opaque_last_plane" else planes,
        "LAYERS": len(baked.layer_depths),
        "SUBLAYERS": baked.sublayers,
        "STRIDE": baked.features.tiles.shape[-1],
        "FEATURES": baked.features.ranges.shape[1],
        "COLOR_FEATURES": baked.num_color_features,
        "TABLE_DEPTH": table_depth[0] if table_depth else 1,
        "TABLE_HEIGHT": table_height,
        "TABLE_WIDTH": table_width,
        "N": num_basis,
        "N_WIDE": triton.next_power_of_2(num_basis),
    }


def _texture(name: str, texels: str, tiles: Tensor, texture: TiledTexture) -> dict[str, Any]:
    """Return the arguments about one kind of texture."""
    return {
        texels: tiles,
        f"{name}_slots": texture.slots,
        f"{name}_ranges": texture.ranges,
        f"{name.upper()}_HEIGHT": texture.grid.height,
        f"{name.upper()}_WIDTH": texture.grid.width,
        f"{name.upper()}_SIZE": texture.grid.size,
    }
