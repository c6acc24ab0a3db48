"""What is behind everything else."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override


class Background(nn.Module, ABC):
    """Close the multiplane image at its far end, or leave it open."""

    @abstractmethod
    def forward(
        self, alpha: Float[Tensor, "ray plane"], coordinates: Float[Tensor, "ray plane 2"]
    ) -> Float[Tensor, "ray plane"]:
        """Return the planes' opacities with the background in place.

        Args:
            alpha: As the field has it.
            coordinates: Canvas coordinates on the planes.
        """


class ClearBackground(Background):
    """Nothing: what no plane covers is black, so that dark surfaces may stay transparent, at any depth."""

    @override
    def forward(
        self, alpha: Float[Tensor, "ray plane"], coordinates: Float[Tensor, "ray plane 2"]
    ) -> Float[Tensor, "ray plane"]:
        return alpha


class OpaqueLastPlane(Background):
    """The last plane is opaque on the whole canvas: in front of it even black has to be there to be seen."""

    @override
    def forward(
        self, alpha: Float[Tensor, "ray plane"], coordinates: Float[Tensor, "ray plane 2"]
    ) -> Float[Tensor, "ray plane"]:
        inside = (coordinates[:, -1:].abs() <= 1).all(dim=-1)
        return torch.cat([alpha[:, :-1], inside.to(alpha.dtype)], dim=1)
