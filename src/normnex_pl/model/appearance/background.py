"""The far end of a multiplane image."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override


class Background(nn.Module, ABC):
    """Close the multiplane image at its far end, or leave it open.

    Attributes:
        opaque_last: Whether the last plane is opaque. Kernels know no more than this.
    """

    opaque_last: bool

    @abstractmethod
    def forward(
        self, alpha: Float[Tensor, "ray plane"], coordinates: Float[Tensor, "ray plane 2"]
    ) -> Float[Tensor, "ray plane"]:
        """Return the planes' opacities with the background in place.

        Args:
            alpha: Opacities of the field.
            coordinates: Canvas coordinates on the planes.
        """


class ClearBackground(Background):
    """No background: uncovered pixels are black, so that black surfaces may stay clear, at any depth."""

    opaque_last = False

    @override
    def forward(
        self, alpha: Float[Tensor, "ray plane"], coordinates: Float[Tensor, "ray plane 2"]
    ) -> Float[Tensor, "ray plane"]:
        return alpha


class OpaqueLastPlane(Background):
    """The last plane is opaque on the whole canvas: black surfaces in front of it have to be opaque, too."""

    opaque_last = True

    @override
    def forward(
        self, alpha: Float[Tensor, "ray plane"], coordinates: Float[Tensor, "ray plane 2"]
    ) -> Float[Tensor, "ray plane"]:
        inside = (coordinates[:, -1:].abs() <= 1).all(dim=-1)
        return torch.cat([alpha[:, :-1], inside.to(alpha.dtype)], dim=1)
