"""The diffuse phase: how long it is, and what the closed gate does to a model."""

from __future__ import annotations

from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from normnex_pl.core.errors import UserError
from normnex_pl.model.appearance import (
    NeuralBasis,
    NonnegativeLuma,
    PredictedNormals,
    ReflectionQuery,
    YCbCrColor,
)
from normnex_pl.model.fields import GridField
from normnex_pl.model.mpi import MPI
from normnex_pl.training.callbacks import DiffusePhase
from support.small import FIELDS, LAYOUT, excite, forward_rays


def glossy_mpi() -> MPI:
    torch.manual_seed(0)
    mpi = MPI(
        LAYOUT,
        FIELDS["grid"],
        YCbCrColor(NonnegativeLuma()),
        NeuralBasis(ReflectionQuery()),
        PredictedNormals(),
    )
    excite(mpi.field)
    return mpi


@pytest.mark.parametrize(
    ("arguments", "steps"),
    [
        ({"epochs": 50}, 400),
        ({"epochs": 0}, 0),
        ({"fraction": 0.025}, 5),
        ({"fraction": 0.0}, 0),
        ({"fraction": 1.0}, 200),
    ],
)
def test_the_length_is_given_in_epochs_or_as_a_share(
    arguments: dict[str, Any], steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pl.Trainer, "num_training_batches", 8)
    monkeypatch.setattr(pl.Trainer, "estimated_stepping_batches", 200)
    assert DiffusePhase(**arguments).length(pl.Trainer.__new__(pl.Trainer)) == steps


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"epochs": 5, "fraction": 0.1},
        {"epochs": -1},
        {"fraction": -0.01},
        {"fraction": 1.01},
        {"fraction": float("nan")},
    ],
)
def test_other_lengths_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="DiffusePhase: expected epochs"):
        DiffusePhase(**arguments)


def test_nothing_is_specular_while_the_gate_is_closed() -> None:
    mpi, rays = glossy_mpi(), forward_rays(40)
    opened = mpi.render(rays)
    assert (opened.rgb - opened.diffuse).abs().max() > 0.05
    mpi.gate.zero_()
    closed = mpi.render(rays)
    assert (closed.specular == 0).all()
    torch.testing.assert_close(closed.rgb, closed.diffuse, rtol=0, atol=0)
    torch.testing.assert_close(closed.diffuse, opened.diffuse, rtol=0, atol=0)


def test_a_closed_gate_lets_no_gradient_through_to_what_is_specular() -> None:
    """The base colour and the opacity learn; the basis, the coefficients and the normals wait."""
    mpi = glossy_mpi()
    mpi.gate.zero_()
    mpi.render(forward_rays(200)).rgb.square().sum().backward()
    groups = mpi.parameter_groups()
    for name in ("basis", "features"):
        for parameter in groups[name]:
            assert parameter.grad is None or (parameter.grad == 0).all()
    for name in ("alpha", "base_color"):
        assert all(parameter.grad.abs().max() > 0 for parameter in groups[name])


def test_parameters_that_wait_do_not_move() -> None:
    mpi = glossy_mpi()
    mpi.gate.zero_()
    groups = mpi.parameter_groups()
    before = [parameter.detach().clone() for parameter in [*groups["basis"], *groups["features"]]]
    optimizer = torch.optim.Adam(mpi.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        mpi.render(forward_rays(50)).rgb.square().sum().backward()
        optimizer.step()
    after = [*groups["basis"], *groups["features"]]
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True))


def test_all_that_is_specular_learns_through_an_open_gate() -> None:
    mpi = glossy_mpi()
    mpi.render(forward_rays(200)).rgb.square().sum().backward()
    for name, group in mpi.parameter_groups().items():
        for parameter in group:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 0, name
    assert isinstance(mpi.field, GridField)
    assert mpi.field.features.grad is not None
    assert mpi.field.features.grad[:, -3:].abs().max() > 0  # the normals, through the lookup


def test_the_gate_is_open_at_first_and_part_of_the_state() -> None:
    mpi = glossy_mpi()
    assert mpi.gate == 1
    mpi.gate.zero_()
    other = glossy_mpi()
    other.load_state_dict(mpi.state_dict())
    assert other.gate == 0
