"""Gradient checkpointing: rendering for training in less memory, at the cost of time."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from normnex_pl.core.rendering import RenderOutput
from normnex_pl.core.types import Rays
from normnex_pl.model.mpi import MPI


def render_in_parts(mpi: MPI, rays: Rays, train_chunk_size: int | None) -> RenderOutput:
    """Render rays chunk by chunk, and each chunk once more when its gradients are computed.

    The activations of a chunk are dropped in between, so that only one chunk at a time takes memory (Chen et
    al., Training deep nets with sublinear memory cost, 2016). Values and gradients are those of `MPI.render`,
    up to the order of sums.

    Args:
        mpi: The model.
        rays: In the reference frame.
        train_chunk_size: Most rays of a chunk; None for all rays at once, without checkpointing.
    """
    if train_chunk_size is None or len(rays.origins) <= train_chunk_size:
        return mpi.render(rays)
    parts = [
        checkpoint(mpi.render, part, use_reentrant=False, preserve_rng_state=False)
        for part in rays.split(train_chunk_size)
    ]
    joined: dict[str, Any] = {}
    for field in fields(RenderOutput):
        values = [getattr(part, field.name) for part in parts]
        joined[field.name] = None if values[0] is None else torch.cat(values)
    return RenderOutput(**joined)
