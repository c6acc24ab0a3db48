"""Records that a training step passes to its losses, and those that it gets back."""

from __future__ import annotations

from dataclasses import dataclass

from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.export import register_dataclass

from normnex_pl.core.rendering import RenderOutput
from normnex_pl.core.types import MPIGeometry, RayBatch, Rays


@dataclass(frozen=True)
class ComparedNormals:
    """Predicted normals and their targets, of the first ray of each triplet.

    Attributes:
        weights: Of the layers, detached: the loss on normals doesn't move the geometry.
        predicted: Unit normals n' of the layers.
        target: Unit normals n that an estimator gives.
    """

    weights: Float[Tensor, "triplet layer"]
    predicted: Float[Tensor, "triplet layer 3"]
    target: Float[Tensor, "triplet layer 3"]

    def detach(self) -> ComparedNormals:
        """Return the same values without their history."""
        return ComparedNormals(self.weights.detach(), self.predicted.detach(), self.target.detach())


@dataclass(frozen=True)
class RayTerms:
    """The terms that losses of rays are made of.

    Attributes:
        batch: The rays and the colours of the photos.
        rendered: The same rays as the model renders them, triplet by triplet.
        target: Normals that predicted ones learn from; None where nothing estimates any.
        geometry: Of the multiplane image.
    """

    batch: RayBatch
    rendered: RenderOutput
    target: Float[Tensor, "triplet layer 3"] | None
    geometry: MPIGeometry

    @property
    def rgb(self) -> Float[Tensor, "triplet 3 3"]:
        """Rendered colours, in the shape of ``batch.rgb``."""
        return rearrange(self.rendered.rgb, "(triplet pixel) rgb -> triplet pixel rgb", pixel=3)

    @property
    def disparity(self) -> Float[Tensor, "triplet 3"]:
        """Rendered disparities."""
        return rearrange(self.rendered.disparity, "(triplet pixel) -> triplet pixel", pixel=3)

    @property
    def first_layers(self) -> Float[Tensor, "triplet layer"]:
        """Weights of the layers of each triplet's first ray."""
        return self.rendered.layer_weights[::3]

    @property
    def first_normals(self) -> Float[Tensor, "triplet layer 3"]:
        """Predicted normals of each triplet's first ray. Only losses that need normals may ask."""
        assert self.rendered.normals is not None
        return self.rendered.normals[::3]

    @property
    def compared(self) -> ComparedNormals | None:
        """Predicted normals beside their targets, where there are any."""
        if self.target is None:
            return None
        return ComparedNormals(self.first_layers.detach(), self.first_normals, self.target)


@dataclass(frozen=True)
class RayLosses:
    """The losses of the rays of a step.

    Attributes:
        total: The weighted sum of the losses, to be differentiated.
        losses: Unweighted and detached, by their names in `LossWeights`.
        normals: Detached; None where normals aren't learned.
    """

    total: Float[Tensor, ""]
    losses: dict[str, Tensor]
    normals: ComparedNormals | None


# As pytrees they pass through a recorded graph, which takes and returns plain tuples of tensors.
for _kind in (Rays, RayBatch, ComparedNormals, RayLosses):
    register_dataclass(_kind)
