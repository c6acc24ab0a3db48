"""Render a baked multiplane image by the kernel of `kernels.baked`: one launch an image, without copies."""

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
from normnex_pl.kernels.baked_constants import (
    BlockShape,
    ImageConstants,
    ModelParts,
    TableShape,
    TextureShape,
)

# By their names in the manifest: a function, and the components that come with it.
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
# The lookup once a ray, and the one on each layer.
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
        block: Width and height of a block of pixels: powers of two. Planes are skipped, and rays ended, for
            whole blocks.
        warps: Groups of 32 threads that work on a block. A single one needs no barrier.
    """

    name: ClassVar[str] = "triton"

    least_light: float = LEAST_LIGHT
    block: tuple[int, int] = (8, 4)
    warps: int = 1

    @torch.no_grad()
    def __call__(self, baked: BakedMPI, camera: Camera) -> dict[str, Tensor]:
        """Render an image: see `render_image`."""
        channels = torch.empty(_NUM_CHANNELS, camera.height, camera.width, device=baked.depths.device)
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
            IMAGE=image_constants(baked),
            BLOCK=BlockShape(*self.block),
            num_warps=self.warps,
        )
        pictures = {name: channels[_CHANNELS[name]] for name in _shown(baked)}
        return {
            name: values.movedim(0, -1) if values.ndim == 3 else values for name, values in pictures.items()
        }


def _shown(baked: BakedMPI) -> tuple[str, ...]:
    """Return the names of the components that the model has."""
    return *_ALWAYS, *_COLORS[baked.manifest.color.model][1], *_NORMALS[baked.manifest.normals][1]


def _scene(baked: BakedMPI) -> dict[str, Any]:
    """Return the kernel's tensors and numbers that are the same for all cameras."""
    geometry, planes, manifest = baked.geometry, len(baked.depths), baked.manifest
    return {
        "focal_x": geometry.fx / geometry.canvas_width,
        "focal_y": geometry.fy / geometry.canvas_height,
        "centre_x": (geometry.cx + geometry.padding) / geometry.canvas_width,
        "centre_y": (geometry.cy + geometry.padding) / geometry.canvas_height,
        "depths": baked.depths,
        "layer_depths": baked.layer_depths,
        "alpha_texels": baked.alpha.tiles,
        "alpha_slots": baked.alpha.slots,
        "alpha_ranges": baked.alpha.ranges,
        "base_words": baked.base_color.tiles.view(torch.int32),
        "base_slots": baked.base_color.slots,
        "base_ranges": baked.base_color.ranges,
        "feature_texels": baked.features.tiles,
        "feature_slots": baked.features.slots,
        "feature_ranges": baked.features.ranges,
        "table": baked.table,
        "gate": baked.gate,
        "least_luma": -math.inf if manifest.color.signed else 0.0,
        "first_opaque": planes - 1 if manifest.background == "opaque_last_plane" else planes,
    }


def image_constants(baked: BakedMPI) -> ImageConstants:
    """Return what the kernel is compiled for."""
    *table_depth, table_height, table_width, functions = baked.table.shape
    ray_basis, layer_basis = _QUERIES[baked.manifest.basis.query]
    return ImageConstants(
        layers=len(baked.layer_depths),
        sublayers=baked.sublayers,
        alpha=_shape(baked.alpha, stride=1),
        base_color=_shape(baked.base_color, stride=1),  # a word a texel
        features=_shape(baked.features, stride=baked.features.tiles.shape[-1]),
        table=TableShape(
            depth=table_depth[0] if table_depth else 1,
            height=table_height,
            width=table_width,
            functions=functions,
            lanes=triton.next_power_of_2(functions),
        ),
        model=ModelParts(
            color=_COLORS[baked.manifest.color.model][0],
            normals=_NORMALS[baked.manifest.normals][0],
            ray_basis=ray_basis,
            layer_basis=layer_basis,
            color_features=baked.num_color_features,
        ),
    )


def _shape(texture: TiledTexture, stride: int) -> TextureShape:
    grid = texture.grid
    return TextureShape(grid.height, grid.width, grid.size, stride, texture.ranges.shape[1])
