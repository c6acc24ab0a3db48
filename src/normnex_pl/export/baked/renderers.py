"""Renderers of whole images of a baked multiplane image."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from normnex_pl.core.types import Camera
from normnex_pl.export.baked.image import LEAST_LIGHT, BakedMPI
from normnex_pl.geometry.cameras import image_rays, join_image


@runtime_checkable
class Renderer(Protocol):
    """A way to render images of a baked multiplane image."""

    name: ClassVar[str]

    def __call__(self, baked: BakedMPI, camera: Camera) -> dict[str, Tensor]:
        """Render an image: see `render_image`."""


@dataclass(frozen=True)
class TorchRenderer:
    """Render on any device, by `BakedMPI.render`.

    Attributes:
        least_light: See `BakedMPI.render`.
        chunk_size: Rays at once: each takes about 300 bytes for each plane of a layer.
    """

    name: ClassVar[str] = "torch"

    least_light: float = LEAST_LIGHT
    chunk_size: int = 1 << 16

    def __call__(self, baked: BakedMPI, camera: Camera) -> dict[str, Tensor]:
        """Render an image: see `render_image`."""
        parts = image_rays(camera).split(self.chunk_size)
        return join_image(camera, [baked.render(rays, self.least_light) for rays in parts])


def find_renderer(device: torch.device) -> Renderer:
    """Return the fastest renderer of a device: Triton's kernel on a GPU, if Triton is there."""
    if device.type == "cuda" and importlib.util.find_spec("triton") is not None:
        from normnex_pl.export.baked.triton_renderer import TritonRenderer  # needs Triton

        return TritonRenderer()
    return TorchRenderer()


def render_image(baked: BakedMPI, camera: Camera, renderer: Renderer | None = None) -> dict[str, Tensor]:
    """Render a whole image.

    Args:
        baked: The image.
        camera: In the reference frame, on the image's device.
        renderer: None for the fastest one of that device.

    Returns:
        The components of `BakedMPI.render`, of shape ``[height, width]`` or ``[height, width, channel]``.
    """
    return (renderer or find_renderer(baked.depths.device))(baked, camera)
