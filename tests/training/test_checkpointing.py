"""Rays rendered part by part give the values and gradients of all at once."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from normnex_pl.core.rendering import RenderOutput
from normnex_pl.core.types import Rays
from normnex_pl.training.checkpointing import render_in_parts
from support.small import few, forward_rays, make_mpi


def rendered(kind: str, rays: Rays, train_chunk_size: int | None) -> tuple[RenderOutput, list[torch.Tensor]]:
    """Return what is rendered, and the gradients of something that depends on all of it."""
    mpi = make_mpi(kind)
    result = render_in_parts(mpi.render, rays, train_chunk_size)
    (result.rgb.square().sum() + result.depth.sum() + result.stored_planes.weights.square().sum()).backward()
    return result, [parameter.grad for parameter in mpi.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("kind", ["grid", "mlp"])
@few
@given(train_chunk_size=st.integers(1, 12))
def test_parts_are_the_whole(kind: str, train_chunk_size: int) -> None:
    rays = forward_rays(10)
    whole, gradients = rendered(kind, rays, None)
    parts, others = rendered(kind, rays, train_chunk_size)
    for field in fields(RenderOutput):
        torch.testing.assert_close(getattr(parts, field.name), getattr(whole, field.name))
    for one, other in zip(gradients, others, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5)
