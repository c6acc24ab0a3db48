"""Optical depths of fields between their planes, and of their coarse parts alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from normnex_pl.core.rendering import PlaneSamples
from normnex_pl.model.encoding import fourier_features, mask_octaves
from normnex_pl.model.fields import Field, GridField, MLPField
from normnex_pl.model.fields.base import raw_to_optical_depth
from support.small import FIELDS, LAYERS, PLANES, SUBLAYERS, excite, make_field

every_field = pytest.mark.parametrize("kind", FIELDS)


def excited_field(kind: str, double: bool = False) -> Field:
    field = make_field(kind)
    excite(field)
    return field.double() if double else field


def some_coordinates(rays: int = 20, extent: float = 1.0, double: bool = False) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    dtype = torch.float64 if double else torch.float32
    return extent * (2 * torch.rand(rays, PLANES, 2, generator=generator, dtype=dtype) - 1)


def finite_difference(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """Differentiate a function that acts on each element alone."""
    step = 1e-6
    return (function(at + step) - function(at - step)) / (2 * step)


@every_field
def test_on_the_planes_it_is_that_of_the_opacity(kind: str) -> None:
    field = excited_field(kind)
    coordinates = some_coordinates(extent=1.2)
    layers = coordinates.unflatten(1, (LAYERS, SUBLAYERS)).mean(dim=2)
    alpha = field(PlaneSamples(coordinates, layers)).alpha
    found = field.optical_depth(coordinates, torch.zeros(20, PLANES))
    assert (alpha == 0).any()
    assert (found[alpha == 0] == 0).all()
    torch.testing.assert_close(found, -torch.log1p(-alpha), rtol=1e-3, atol=1e-4)


@every_field
def test_derivatives_are_those_of_finite_differences(kind: str) -> None:
    """Differentiate by the shift off the plane, and by canvas x and y, where the grids have no kinks."""
    field = excited_field(kind, double=True)
    generator = torch.Generator().manual_seed(1)
    coordinates = some_coordinates(double=True).requires_grad_()
    shift = 0.3 * torch.rand(20, PLANES, generator=generator, dtype=torch.float64) + 0.05
    shift.requires_grad_()
    total = field.optical_depth(coordinates, shift).sum()
    by_place, by_shift = torch.autograd.grad(total, (coordinates, shift))

    with torch.no_grad():
        close = {"rtol": 1e-4, "atol": 1e-5}
        found = finite_difference(lambda s: field.optical_depth(coordinates, s), shift)
        torch.testing.assert_close(by_shift, found, **close)
        assert by_shift.abs().mean() > 0.01
        for axis in range(2):

            def moved(place: Tensor, axis: int = axis) -> Tensor:
                both = coordinates.clone()
                both[..., axis] = place
                return field.optical_depth(both, shift)

            torch.testing.assert_close(
                by_place[..., axis], finite_difference(moved, coordinates[..., axis]), **close
            )


@every_field
def test_a_shift_of_one_plane_leads_to_the_next_one(kind: str) -> None:
    field = excited_field(kind)
    place = some_coordinates(rays=9)[:, :1].expand(-1, PLANES, -1)
    here = field.optical_depth(place, torch.zeros(9, PLANES))
    moved = field.optical_depth(place, torch.ones(9, PLANES))
    torch.testing.assert_close(moved[:, :-1], here[:, 1:], rtol=1e-3, atol=1e-4)


@every_field
def test_all_detail_is_no_limit(kind: str) -> None:
    field, coordinates, shift = excited_field(kind), some_coordinates(), torch.zeros(20, PLANES)
    whole = field.optical_depth(coordinates, shift)
    assert torch.equal(field.optical_depth(coordinates, shift, detail=99), whole)
    assert (field.optical_depth(coordinates, shift, detail=1) - whole).abs().mean() > 0.01


def test_the_least_detail_of_a_grid_is_its_coarsest_level() -> None:
    field, coordinates, shift = excited_field("grid"), some_coordinates(), torch.zeros(20, PLANES)
    assert isinstance(field, GridField)
    coarse, whole = field.optical_depth(coordinates, shift, detail=1), field.optical_depth(coordinates, shift)
    with torch.no_grad():
        for level in field.alpha[1:]:
            level += 1
    torch.testing.assert_close(field.optical_depth(coordinates, shift, detail=1), coarse)
    assert (field.optical_depth(coordinates, shift) > whole).any()


def test_the_least_detail_of_a_network_is_its_slowest_waves() -> None:
    """A period of four canvas halves: a place and its shift by four can't be told apart, nor can octaves."""
    field, shift = excited_field("mlp"), torch.zeros(20, PLANES)
    assert isinstance(field, MLPField)
    coordinates = some_coordinates()
    coarse = field.optical_depth(coordinates, shift, detail=1)
    with torch.no_grad():
        weight = field.trunk[0].weight
        columns = torch.arange(weight.shape[1])
        # Both encodings list all octaves of one coordinate after the other.
        assert field.xy_octaves == field.plane_octaves == 3
        weight[:, columns % 3 > 0] = 0
    torch.testing.assert_close(field.optical_depth(coordinates, shift), coarse)


@pytest.mark.parametrize(("raw", "expected"), [(5.0, np.log(2)), (-30.0, np.exp(-35)), (60.0, 55.0)])
def test_the_formula_stays_finite_where_opacity_rounds_to_one(raw: float, expected: float) -> None:
    x = torch.tensor(raw, requires_grad=True)
    depth = raw_to_optical_depth(x)
    depth.backward()
    assert depth.item() == pytest.approx(expected, rel=1e-5)
    assert x.grad is not None
    assert x.grad.item() == pytest.approx(1 / (1 + np.exp(5 - raw)), rel=1e-5)


@pytest.mark.parametrize("kept", [0, 1, 2, 3, 5])
def test_masked_octaves_are_the_fast_ones(kept: int) -> None:
    x = torch.rand(4, 2, generator=torch.Generator().manual_seed(0)) + 0.1
    found = mask_octaves(fourier_features(x, 3), 3, kept).view(4, 2, 2, 3)
    angles = 0.5 * torch.pi * x[..., None] * torch.tensor([1.0, 2, 4])
    expected = torch.stack([angles.sin(), angles.cos()], dim=1)
    expected[..., kept:] = 0
    torch.testing.assert_close(found, expected)
