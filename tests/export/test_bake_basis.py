"""Tables of basis functions, against the functions themselves."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from normnex_pl.core.errors import UserError
from normnex_pl.export.baked.basis_table import (
    TOLERANCE,
    ReflectionTable,
    ViewTable,
    bake_table,
    fit_table,
    octahedral_coordinates,
    octahedral_direction,
    read_table,
    table_error,
    table_query,
)
from normnex_pl.model.appearance import DirectionQuery, NeuralBasis, ReflectionQuery, ViewQuery
from support.small import few

CPU = torch.device("cpu")
QUERIES = {"view": ViewQuery, "reflection": ReflectionQuery}


def directions(seed: int, count: int = 500) -> Tensor:
    return F.normalize(torch.randn(count, 3, generator=torch.Generator().manual_seed(seed)), dim=-1)


def make_basis(kind: str) -> NeuralBasis:
    torch.manual_seed(0)
    return NeuralBasis(QUERIES[kind]())


@given(st.integers(0, 1000))
@few
def test_the_octahedral_map_and_its_inverse(seed: int) -> None:
    vectors = directions(seed)
    uv = octahedral_coordinates(vectors)
    assert bool((uv >= 0).all())
    assert bool((uv <= 1).all())
    torch.testing.assert_close(octahedral_direction(uv), vectors, atol=1e-5, rtol=0)


def test_the_map_is_centred_on_the_way_back_to_the_reference_camera() -> None:
    back = torch.tensor([[0.0, 0.0, -1.0]])
    assert octahedral_coordinates(back).tolist() == [[0.5, 0.5]]


def test_the_borders_of_the_map_fold_onto_themselves() -> None:
    """Points of a border that mirror each other are one direction: what is read there is continuous."""
    along = torch.linspace(0, 1, 17)
    for side in (0.0, 1.0):
        across = torch.full_like(along, side)
        for border in (torch.stack([along, across], dim=-1), torch.stack([across, along], dim=-1)):
            vectors = octahedral_direction(border)
            torch.testing.assert_close(vectors, vectors.flip(0), atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", QUERIES)
@pytest.mark.parametrize("seed", range(3))
def test_inputs_of_a_table_are_what_is_looked_up_there(kind: str, seed: int) -> None:
    query = table_query(QUERIES[kind]())
    places = torch.rand(300, len(query.shapes[0]), generator=torch.Generator().manual_seed(seed))
    if kind == "view":
        places = 0.5 + 0.3 * (places - 0.5)  # inside of the unit circle
    viewdirs, normals = query.inputs(places)
    torch.testing.assert_close(viewdirs.norm(dim=-1), torch.ones(300), atol=1e-5, rtol=0)
    back = query.coordinates(viewdirs, None if normals is None else normals[:, 0])
    torch.testing.assert_close(back, places, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", QUERIES)
@pytest.mark.parametrize("seed", range(3))
def test_a_fitted_table_is_the_basis_within_the_stated_error(kind: str, seed: int) -> None:
    """Draw viewing directions and normals at random, facing the camera or not."""
    basis, query = make_basis(kind), table_query(QUERIES[kind]())
    fitted = fit_table(basis, query, CPU)
    assert fitted.error <= TOLERANCE
    viewdirs, normals = directions(seed), directions(seed + 100)
    if kind == "view":
        viewdirs = F.normalize(viewdirs + torch.tensor([0.0, 0.0, 2.0]), dim=-1)
    read = read_table(fitted.values, query.coordinates(viewdirs, normals))
    expected = basis(viewdirs, normals[:, None])[:, 0].detach()
    assert float((read - expected).abs().max()) <= 1.5 * TOLERANCE


@pytest.mark.parametrize("kind", QUERIES)
def test_finer_tables_err_less(kind: str) -> None:
    basis, query = make_basis(kind), table_query(QUERIES[kind]())
    errors = [table_error(basis, query, bake_table(basis, query, shape, CPU)) for shape in query.shapes[:2]]
    assert errors[1] < 0.7 * errors[0]


@pytest.mark.parametrize("query", [ViewTable(), ReflectionTable()], ids=QUERIES)
def test_tables_are_what_every_webgl_2_device_can_open(query: ViewTable | ReflectionTable) -> None:
    for shape in query.shapes:
        assert max(shape) <= (2048 if len(shape) == 2 else 256)


def test_an_unknown_query_is_refused() -> None:
    class OwnQuery(DirectionQuery):
        num_inputs, needs_normals = 1, False

        def forward(self, viewdirs: Tensor, normals: Tensor | None) -> Tensor:
            return viewdirs[:, None, :1]

    with pytest.raises(UserError, match=r"model.basis.query: expected .* found OwnQuery"):
        table_query(OwnQuery())
