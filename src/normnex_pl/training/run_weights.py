"""Identity of a run's weights: the scene that they belong to, and the files that were made from them."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import MPIGeometry
from normnex_pl.training.run_identity import first_difference


def check_geometry(checkpoint: Path, geometry: MPIGeometry) -> None:
    """Check that a checkpoint was trained on the scene at hand.

    Raises:
        UserError: It was trained with another reference camera, canvas or depth range.
    """
    content = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    difference = first_difference(content["hyper_parameters"]["geometry"], asdict(geometry), "geometry")
    if difference:
        raise UserError(
            f"{checkpoint}: expected weights that were trained on this scene, found those of another one, or "
            f"of other planes ({difference}). Name the scene of the run (--scene=...), or another run folder."
        )


@torch.no_grad()
def model_digest(model: nn.Module) -> str:
    """Return a hash of all weights, whatever device they are on."""
    total = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        total.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        total.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return total.hexdigest()
