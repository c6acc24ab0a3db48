"""Lookup of the basis functions: by the viewing direction, or by its reflection.

Vectors are in the reference camera's frame and of unit length. ``viewdirs`` point from the camera to the
scene; w_o = -viewdir points back to it; normals face the camera: n . w_o > 0.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override


class DirectionQuery(nn.Module, ABC):
    """Arguments of the basis functions.

    Attributes:
        num_inputs: Number of arguments, each in [-1, 1].
        needs_normals: Whether normals are required.
    """

    num_inputs: int
    needs_normals: bool

    @abstractmethod
    def forward(
        self, viewdirs: Float[Tensor, "ray 3"], normals: Float[Tensor, "ray layer 3"] | None
    ) -> Float[Tensor, "ray _ input"]:
        """Compute the arguments for each ray (one set for all layers), or for each ray on each layer."""


class ViewQuery(DirectionQuery):
    """The viewing direction's x and y, as in NeX; z follows from them."""

    num_inputs = 2
    needs_normals = False

    @override
    def forward(
        self, viewdirs: Float[Tensor, "ray 3"], normals: Float[Tensor, "ray layer 3"] | None
    ) -> Float[Tensor, "ray 1 2"]:
        return viewdirs[:, None, :2]


class ReflectionQuery(DirectionQuery):
    """All components of the reflected direction, and n . w_o, on which reflectance depends (Ref-NeRF)."""

    num_inputs = 4
    needs_normals = True

    @override
    def forward(
        self, viewdirs: Float[Tensor, "ray 3"], normals: Float[Tensor, "ray layer 3"] | None
    ) -> Float[Tensor, "ray layer 4"]:
        assert normals is not None
        facing = face_camera(normals, viewdirs[:, None])
        cosines = -(facing * viewdirs[:, None]).sum(dim=-1, keepdim=True)
        return torch.cat([reflect(viewdirs[:, None], facing), cosines], dim=-1)


def face_camera(
    normals: Float[Tensor, "*#batch 3"], viewdirs: Float[Tensor, "*#batch 3"]
) -> Float[Tensor, "*batch 3"]:
    """Flip normals that point away from the camera."""
    away = (normals * viewdirs).sum(dim=-1, keepdim=True) > 0
    return torch.where(away, -normals, normals)


def reflect(
    viewdirs: Float[Tensor, "*#batch 3"], normals: Float[Tensor, "*#batch 3"]
) -> Float[Tensor, "*batch 3"]:
    """Reflect the direction to the camera at the normal: 2 (w_o . n) n - w_o (Ref-NeRF, equation 4)."""
    return viewdirs - 2 * (viewdirs * normals).sum(dim=-1, keepdim=True) * normals
