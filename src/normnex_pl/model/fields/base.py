"""Interface of all fields."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from normnex_pl.core.rendering import FieldOutput, FieldTextures, PlaneSamples
from normnex_pl.geometry.layout import PlaneLayout
from normnex_pl.model.fields.regularizer import Regularizer
from normnex_pl.model.fields.texture import BaseColorTexture

ALPHA_OFFSET = 5.0  # alpha = sigmoid(raw - 5): planes start transparent (NeX, section 3.3)


class Field(nn.Module, ABC):
    """Opacity and base colour on planes, features on layers.

    Attributes:
        base_color: Textures of the base colour, one per layer.
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
        """Return -ln(1 - alpha) of the planes, by a formula that stays finite and differentiable.

        Args:
            coordinates: Canvas coordinates on the planes.
            shift: Offsets of samples from their planes, in plane indices; zeros for the planes themselves.
            detail: Number of the coarsest octaves or grids to use; None for all.

        Returns:
            Optical depths; zero outside the canvas.
        """

    def textures(self) -> FieldTextures | None:
        """Return the field as textures of planes and layers, or None if it isn't made of any."""
        return None

    def prepared(self) -> AbstractContextManager[None]:
        """Prepare what many batches need, for as long as the context lasts and no parameter changes."""
        return nullcontext()

    @abstractmethod
    def stored_values(self) -> int:
        """Count the values of the multiplane image: opacities of all planes on the canvas, and textures."""

    @abstractmethod
    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Group all parameters by the names under which presets give their learning rates."""

    @abstractmethod
    def regularizers(self) -> dict[str, Regularizer]:
        """Return the losses on stored values alone, by their names in `LossWeights`."""


# Presets name a class and its settings; the model supplies the layout and the number of features per layer.
FieldFactory = Callable[[PlaneLayout, int], Field]


def inside_canvas(coordinates: Float[Tensor, "*sample 2"]) -> Bool[Tensor, "*sample"]:
    """Return whether canvas coordinates lie on the canvas, outside which everything is transparent."""
    return (coordinates.abs() <= 1).all(dim=-1)


def raw_to_optical_depth(raw: Float[Tensor, "*sample"]) -> Float[Tensor, "*sample"]:
    """Return -ln(1 - sigmoid(raw - 5)) without computing alpha, which would round to 1."""
    return F.softplus(raw - ALPHA_OFFSET)
