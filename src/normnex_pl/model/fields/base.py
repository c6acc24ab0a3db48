"""What every field offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from normnex_pl.core.rendering import FieldOutput, PlaneSamples
from normnex_pl.geometry.layout import PlaneLayout
from normnex_pl.model.fields.regularizer import Regularizer
from normnex_pl.model.fields.texture import BaseColorTexture

ALPHA_OFFSET = 5.0  # alpha = sigmoid(raw - 5): planes start transparent (NeX, section 3.3)


class Field(nn.Module, ABC):
    """Opacity and base colour on planes, features on layers.

    Attributes:
        base_color: Textures of the layers.
    """

    base_color: BaseColorTexture

    @abstractmethod
    def forward(self, samples: PlaneSamples) -> FieldOutput:
        """Evaluate the field where rays meet the planes."""

    @abstractmethod
    def optical_depth(
        self,
        coordinates: Float[Tensor, "ray plane 2"],
        shift: Float[Tensor, "ray plane"],
        detail: int | None = None,
    ) -> Float[Tensor, "ray plane"]:
        """-ln(1 - alpha) of the planes, by a formula that stays finite and differentiable.

        Args:
            coordinates: Canvas coordinates on the planes.
            shift: Moves each sample off its plane, in planes; zeros for the planes themselves.
            detail: How many of the coarsest octaves or grids to use; None for all.

        Returns:
            Zero outside of the canvas.
        """

    @abstractmethod
    def stored_values(self) -> int:
        """Return how many numbers the multiplane image has.

        Opacities of all planes on the canvas, and textures.
        """

    @abstractmethod
    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return all parameters, by the name under which a preset gives their learning rate."""

    @abstractmethod
    def regularizers(self) -> dict[str, Regularizer]:
        """Losses on the stored values alone, by their names in `LossWeights`."""


# Presets choose a field by its class; the model supplies the layout and the features per layer.
FieldFactory = Callable[[PlaneLayout, int], Field]


def inside_canvas(coordinates: Float[Tensor, "*sample 2"]) -> Bool[Tensor, "*sample"]:
    """Return whether canvas coordinates lie on the canvas. Beyond it there is nothing to see."""
    return (coordinates.abs() <= 1).all(dim=-1)


def raw_to_optical_depth(raw: Float[Tensor, "*sample"]) -> Float[Tensor, "*sample"]:
    """-ln(1 - sigmoid(raw - 5)), without the detour through an alpha that rounds to 1."""
    return F.softplus(raw - ALPHA_OFFSET)
