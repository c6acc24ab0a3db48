"""Interface of all estimators of target normals, and helpers that they share.

A target is the unit normal of the surface that a ray meets on a layer, in the reference frame, facing the
camera: n . viewdir < 0 for a visible surface. Where it can't be estimated, it is (0, 0, -1).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from normnex_pl.core.rendering import RenderOutput
from normnex_pl.core.types import RayBatch
from normnex_pl.model.mpi import MPI

# Directions of vectors shorter than this are rounding noise.
_LEAST_LENGTH = 1e-12


class NormalEstimator(nn.Module, ABC):
    """Estimate target normals from the geometry that has been learned so far.

    Attributes:
        every: Steps between two calls of `refresh`.
        needs_planes: Whether rays have to be rendered by `MPI.render_planes`.
        kept: Normals that are used until the next refresh; None before the first one, and in estimators that
            start afresh in each step. A buffer: it moves with the model, and a checkpoint between two
            refreshes holds it, so that a resumed run goes on with the same targets.
    """

    every: int = 1
    needs_planes: ClassVar[bool] = False
    kept: Float[Tensor, "layer 3 height width"] | None

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kept", None)

    def refresh(self, mpi: MPI) -> None:
        """Bring `kept` up to date. Most estimators keep nothing."""
        return

    def keep(self, normals: Float[Tensor, "layer 3 height width"]) -> None:
        """Replace `kept`, in its own memory if the values fit there.

        A recorded graph (`normnex_pl.training.execution.CudaGraph`) goes on reading where it read when it was
        recorded.
        """
        if self.kept is None or self.kept.shape != normals.shape or self.kept.device != normals.device:
            self.kept = normals.contiguous()
        else:
            self.kept.copy_(normals)

    def kept_for(self, mpi: MPI) -> Float[Tensor, "layer 3 height width"]:
        """Return `kept`, estimated now if it never was."""
        if self.kept is None:
            self.refresh(mpi)
        assert self.kept is not None
        return self.kept

    @override
    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        # The size follows from the scene: an estimator that hasn't been refreshed has no place for it yet.
        stored = state_dict.get(f"{prefix}kept")
        self.kept = None if stored is None else torch.empty_like(stored)
        super()._load_from_state_dict(state_dict, prefix, *args)

    @abstractmethod
    def forward(self, mpi: MPI, batch: RayBatch, rendered: RenderOutput) -> Float[Tensor, "triplet layer 3"]:
        """Estimate the normals that the first ray of each triplet meets.

        Args:
            mpi: The model.
            batch: Rays in L-shaped triplets, and the colours of their pixels.
            rendered: The same rays as the model renders them, triplet by triplet.
        """


def unit_normals(vectors: Float[Tensor, "*sample 3"]) -> Float[Tensor, "*sample 3"]:
    """Normalise vectors; those without a direction become (0, 0, -1), which faces the reference camera."""
    # Scaled first, so that the squares of small numbers don't underflow.
    largest = vectors.abs().amax(dim=-1, keepdim=True)
    scaled = vectors / largest.clamp(min=_LEAST_LENGTH)
    normals = scaled / scaled.norm(dim=-1, keepdim=True).clamp(min=_LEAST_LENGTH)
    facing = torch.zeros_like(vectors)
    facing[..., 2] = -1
    known = (largest > _LEAST_LENGTH) & normals.isfinite().all(dim=-1, keepdim=True)
    return torch.where(known, normals, facing)


def composite_on_layers(
    weights: Float[Tensor, "ray plane"], normals: Float[Tensor, "ray plane 3"], num_layers: int
) -> Float[Tensor, "ray layer 3"]:
    """Average the normals of each layer's planes by weight, and normalise last."""
    weighted = rearrange(
        weights[..., None] * normals, "ray (layer sub) xyz -> ray layer sub xyz", layer=num_layers
    )
    return unit_normals(weighted.sum(dim=2))


def first_of_triplets(values: Float[Tensor, "ray *rest"]) -> Float[Tensor, "triplet *rest"]:
    """Return the values of each triplet's first ray."""
    return values[::3]
