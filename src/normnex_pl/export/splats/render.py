"""Render splats by gsplat, if it is there and a GPU is: for scores alone."""

from __future__ import annotations

import importlib.util
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from normnex_pl.core.types import Camera
from normnex_pl.export.splats.rasterisers import Rasteriser
from normnex_pl.export.splats.splats import Splats

DEGREE = 2


@runtime_checkable
class SplatRenderer(Protocol):
    """A way to render splats."""

    def __call__(
        self, splats: Splats, camera: Camera, rasteriser: Rasteriser
    ) -> Float[Tensor, "height width 3"]:
        """Render on black.

        Args:
            splats: On the renderer's device.
            camera: In the reference frame, likewise.
            rasteriser: The kind that the splats were made for.
        """


def gsplat_renderer(
    splats: Splats, camera: Camera, rasteriser: Rasteriser
) -> Float[Tensor, "height width 3"]:
    """Render by gsplat's rasteriser (Ye et al. 2025), which needs CUDA."""
    from gsplat import rasterization  # no dependency: whoever wants scores installs it

    to_world = F.pad(camera.c2w, (0, 0, 0, 1))
    to_world[3, 3] = 1
    rotation = splats.means.new_tensor([1, 0, 0, 0]).expand(len(splats), 4)
    picture, _, _ = rasterization(
        splats.means,
        rotation.contiguous(),
        splats.scales,
        splats.opacity,
        splats.sh,
        torch.linalg.inv(to_world)[None],
        camera.K[None],
        camera.width,
        camera.height,
        sh_degree=DEGREE,
        packed=True,
        eps2d=rasteriser.blur,
        rasterize_mode=rasteriser.name,
    )
    shown: Tensor = picture[0].clamp(0, 1)
    return shown


def find_splat_renderer(device: torch.device) -> SplatRenderer | None:
    """Return a renderer of a device; None without one."""
    if device.type == "cuda" and importlib.util.find_spec("gsplat") is not None:
        return gsplat_renderer
    return None
