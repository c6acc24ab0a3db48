"""Deviations from the learned model: they show in the picture, and leave the model as it is."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from normnex_pl.model.appearance import (
    FlatNormals,
    NeuralBasis,
    PredictedNormals,
    ReflectionQuery,
    SignedLuma,
    YCbCrColor,
)
from normnex_pl.model.mpi import MPI, RenderOptions
from support.small import FIELDS, LAYOUT, excite, few, forward_rays, reference_camera


def reflecting_mpi() -> MPI:
    """Create a multiplane image that looks its basis up by normals which point anywhere."""
    torch.manual_seed(0)
    parts = YCbCrColor(SignedLuma()), NeuralBasis(ReflectionQuery()), PredictedNormals()
    mpi = MPI(LAYOUT, FIELDS["grid"], *parts)
    excite(mpi.field)
    return mpi


@few
@given(st.floats(0, 4))
def test_the_gain_multiplies_the_specular_part_alone(gain: float) -> None:
    mpi, rays = reflecting_mpi(), forward_rays(20)
    learned, scaled = mpi.render(rays), mpi.render(rays, RenderOptions(specular_gain=gain))
    torch.testing.assert_close(scaled.specular, gain * learned.specular)
    for name in ("diffuse", "layer_weights", "depth", "normals"):
        assert torch.equal(getattr(scaled, name), getattr(learned, name)), name


def test_the_gain_comes_on_top_of_the_gate() -> None:
    mpi, rays = reflecting_mpi(), forward_rays(20)
    doubled = mpi.render(rays, RenderOptions(specular_gain=2.0)).rgb
    mpi.gate.fill_(0.5)
    torch.testing.assert_close(mpi.render(rays, RenderOptions(specular_gain=4.0)).rgb, doubled)


def test_other_normals_give_the_picture_of_a_model_that_has_them() -> None:
    mpi = reflecting_mpi()
    flat = deepcopy(mpi)
    flat.normals = FlatNormals()
    shown = mpi.render_image(reference_camera(), options=RenderOptions(FlatNormals()))
    for name, expected in flat.render_image(reference_camera()).items():
        assert torch.equal(shown[name], expected), name
    assert not torch.equal(shown["rgb"], mpi.render_image(reference_camera())["rgb"])


@pytest.mark.parametrize("options", [RenderOptions(FlatNormals()), RenderOptions(specular_gain=3.0)])
def test_options_leave_the_model_as_it_is(options: RenderOptions) -> None:
    mpi = reflecting_mpi()
    normals, state = mpi.normals, deepcopy(mpi.state_dict())
    before = mpi.render_image(reference_camera())
    mpi.render_image(reference_camera(), options=options)
    assert mpi.normals is normals
    assert all(torch.equal(value, state[name]) for name, value in mpi.state_dict().items())
    after = mpi.render_image(reference_camera())
    assert all(torch.equal(values, before[name]) for name, values in after.items())
