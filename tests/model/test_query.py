"""Directions by which the basis is looked up: signs and frames, against mirrors worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from torch import Tensor

from normnex_pl.core.errors import UserError
from normnex_pl.model.appearance import (
    FlatNormals,
    NeuralBasis,
    NonnegativeLuma,
    NoNormals,
    PredictedNormals,
    ReflectionQuery,
    ViewQuery,
    YCbCrColor,
)
from normnex_pl.model.appearance.lookup import face_camera, reflect
from normnex_pl.model.mpi import MPI
from support.small import FIELDS, LAYOUT, few, numpy64

ROOT_HALF = np.sqrt(0.5)

angles = st.floats(-1.2, 1.2)


def unit(*xyz: float) -> Tensor:
    vector = torch.tensor(xyz, dtype=torch.float64)
    return vector / vector.norm()


def looked_up(viewdir: Tensor, normal: Tensor) -> Tensor:
    """Return the inputs of the basis for one ray that meets one layer."""
    return ReflectionQuery()(viewdir[None], normal[None, None])[0, 0]


@st.composite
def directions(draw: st.DrawFn) -> Tensor:
    """Draw float64 unit vectors everywhere on the sphere."""
    rotation = Rotation.from_rotvec(draw(st.tuples(*[st.floats(-3, 3)] * 3)))
    return torch.from_numpy(rotation.apply([0, 0, 1]))


@pytest.mark.parametrize(
    ("normal", "goes_to"),
    [
        (
            (1.0, 0, -1),
            (1.0, 0, 0),
        ),  # faces the camera and the right: to the right
        ((-1.0, 0, -1), (-1.0, 0, 0)),
        ((0, 1.0, -1), (0, 1.0, 0)),  # y points down
        ((0, -1.0, -1), (0, -1.0, 0)),
    ],
)
def test_a_tilted_mirror_sends_the_central_ray_to_the_side(
    normal: tuple[float, float, float], goes_to: tuple[float, float, float]
) -> None:
    """The camera stands in the origin and looks along +z."""
    found = looked_up(unit(0, 0, 1), unit(*normal))
    torch.testing.assert_close(found[:3], unit(*goes_to), rtol=0, atol=1e-12)
    assert found[3].item() == pytest.approx(ROOT_HALF)


def test_a_mirror_that_faces_the_camera_sends_the_ray_back() -> None:
    for viewdir in (unit(0, 0, 1), unit(0.3, -0.2, 1)):
        found = looked_up(viewdir, -viewdir)
        torch.testing.assert_close(found[:3], -viewdir)
        assert found[3].item() == pytest.approx(1)


def test_a_wall_parallel_to_the_canvas_reverses_depth_alone() -> None:
    viewdir = unit(0.3, -0.2, 1)
    found = looked_up(viewdir, unit(0, 0, -1))
    torch.testing.assert_close(found[:3], viewdir * torch.tensor([1, 1, -1]))
    assert found[3].item() == pytest.approx(viewdir[2].item())


@few
@given(directions(), directions())
def test_reflection_is_householders(viewdir: Tensor, normal: Tensor) -> None:
    """I - 2 n n^T takes the viewing direction to the reflected one, which lies in one plane with both."""
    found = numpy64(looked_up(viewdir, normal))
    v, n = numpy64(viewdir), numpy64(normal)
    np.testing.assert_allclose(found[:3], (np.eye(3) - 2 * np.outer(n, n)) @ v, atol=1e-12)
    assert np.linalg.norm(found[:3]) == pytest.approx(1)
    assert found[:3] @ np.cross(v, n) == pytest.approx(0, abs=1e-12)


@few
@given(directions(), directions())
def test_light_leaves_at_the_angle_at_which_it_came(viewdir: Tensor, normal: Tensor) -> None:
    """Both angles are with the normal on the camera's side."""
    found = looked_up(viewdir, normal)
    facing = face_camera(normal, viewdir)
    assert (facing @ found[:3]).item() == pytest.approx((facing @ -viewdir).item(), abs=1e-12)
    assert (facing @ -viewdir).item() >= 0


@few
@given(directions(), directions())
def test_the_side_of_the_normal_does_not_matter(viewdir: Tensor, normal: Tensor) -> None:
    torch.testing.assert_close(looked_up(viewdir, normal), looked_up(viewdir, -normal), rtol=0, atol=1e-12)


@few
@given(directions(), directions())
def test_the_cosine_lies_between_zero_and_one(viewdir: Tensor, normal: Tensor) -> None:
    cosine = looked_up(viewdir, normal)[3].item()
    assert -1e-12 <= cosine <= 1 + 1e-12
    assert cosine == pytest.approx(abs((viewdir @ normal).item()), abs=1e-12)


def test_normals_that_face_the_camera_stay() -> None:
    viewdirs = torch.tensor([[0.0, 0, 1], [0, 0, 1], [1, 0, 0]])
    normals = torch.tensor([[0.0, 0, -1], [0, 0.6, 0.8], [0, 1, 0]])
    expected = torch.tensor([[0.0, 0, -1], [0, -0.6, -0.8], [0, 1, 0]])
    assert torch.equal(face_camera(normals, viewdirs), expected)


def test_reflection_twice_is_the_identity() -> None:
    generator = torch.Generator().manual_seed(0)
    viewdirs = torch.nn.functional.normalize(torch.randn(9, 3, generator=generator), dim=-1)
    normals = torch.nn.functional.normalize(torch.randn(9, 3, generator=generator), dim=-1)
    torch.testing.assert_close(reflect(reflect(viewdirs, normals), normals), viewdirs)


def test_the_view_is_looked_up_by_its_first_two_components() -> None:
    viewdirs = torch.tensor([[0.1, -0.2, 0.9], [0.3, 0.4, 0.8]])
    assert torch.equal(ViewQuery()(viewdirs, None), viewdirs[:, None, :2])
    assert torch.equal(ViewQuery()(viewdirs, torch.randn(2, 5, 3)), viewdirs[:, None, :2])


@few
@given(angles, angles, angles, st.floats(0.2, 3))
def test_the_basis_knows_the_reflected_direction_and_the_cosine_alone(
    x: float, y: float, tilt: float, turn: float
) -> None:
    """Viewers on a cone around the reflected direction see the same, each in a mirror of its own."""
    torch.manual_seed(0)
    basis = NeuralBasis(ReflectionQuery()).double()
    viewdir = unit(0.5 * np.sin(x), 0.5 * np.sin(y), 1)
    normal = unit(np.sin(tilt), 0.3, -1)
    refdir = reflect(viewdir, face_camera(normal, viewdir))
    turned = torch.from_numpy(Rotation.from_rotvec(turn * refdir.numpy()).apply(viewdir.numpy()))
    own_mirror = torch.nn.functional.normalize(refdir - turned, dim=0)
    first = basis(viewdir[None], normal[None, None])
    torch.testing.assert_close(basis(turned[None], own_mirror[None, None]), first, rtol=0, atol=1e-9)
    torch.testing.assert_close(basis(viewdir[None], -normal[None, None]), first, rtol=0, atol=1e-9)
    if (turned - viewdir).norm() > 0.1:
        assert (basis(turned[None], normal[None, None]) - first).abs().max() > 1e-6


def test_the_basis_has_a_value_for_each_layers_normal() -> None:
    torch.manual_seed(0)
    viewdirs = torch.tensor([[0.0, 0, 1], [0.6, 0, 0.8]])
    normals = torch.nn.functional.normalize(torch.randn(2, 3, 3), dim=-1)
    basis = NeuralBasis(ReflectionQuery(), num_basis=5)
    values = basis(viewdirs, normals)
    assert values.shape == (2, 3, 5)
    assert NeuralBasis(ViewQuery(), num_basis=5)(viewdirs, normals).shape == (2, 1, 5)
    for ray in range(2):
        for layer in range(3):
            alone = basis(viewdirs[ray : ray + 1], normals[ray : ray + 1, layer : layer + 1])
            torch.testing.assert_close(alone[0, 0], values[ray, layer])


def test_the_basis_needs_no_more_inputs_than_its_query_has() -> None:
    assert NeuralBasis(ReflectionQuery()).network[0].in_features == 2 * 3 * 4


def test_predicted_normals_start_towards_the_camera_and_have_unit_length() -> None:
    features = torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(0))
    facing = torch.tensor([0.0, 0, -1]).expand(5, 2, 3)
    assert torch.equal(PredictedNormals()(torch.zeros(5, 2, 3)), facing)
    assert torch.equal(FlatNormals()(features), facing)
    torch.testing.assert_close(PredictedNormals()(features).norm(dim=-1), torch.ones(5, 2))
    large = PredictedNormals()(1e4 * torch.tensor([[[1.0, 2, 2]]]))[0, 0]
    torch.testing.assert_close(large, torch.tensor([1.0, 2, 2]) / 3, rtol=0, atol=1e-3)


def test_a_lookup_by_reflection_without_normals_is_refused() -> None:
    with pytest.raises(UserError, match="PredictedNormals"):
        MPI(
            LAYOUT,
            FIELDS["grid"],
            YCbCrColor(NonnegativeLuma()),
            NeuralBasis(ReflectionQuery()),
            NoNormals(),
        )
