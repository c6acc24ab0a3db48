"""Gradient checkpointing: rendering for training in less memory, at the cost of time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.utils._pytree import tree_map
from torch.utils.checkpoint import checkpoint

from normnex_pl.core.rendering import RenderOutput
from normnex_pl.core.types import Rays


def render_in_parts(
    render: Callable[[Rays], RenderOutput], rays: Rays, train_chunk_size: int | None
) -> RenderOutput:
    """Render rays chunk by chunk, and each chunk once more when its gradients are computed.

    The activations of a chunk are dropped in between, so that only one chunk at a time takes memory (Chen et
    al., Training deep nets with sublinear memory cost, 2016). Values and gradients are those of one call,
    up to the order of sums.

    Args:
        render: Renders rays: `MPI.render` or `MPI.render_planes`.
        rays: In the reference frame.
        train_chunk_size: Most rays of a chunk; None for all rays at once, without checkpointing.
    """
    if train_chunk_size is None or len(rays.origins) <= train_chunk_size:
        return render(rays)
    parts = [
        checkpoint(render, part, use_reentrant=False, preserve_rng_state=False)
        for part in rays.split(train_chunk_size)
    ]
    joined: RenderOutput = tree_map(lambda *values: torch.cat(values), *parts)
    return joined
