"""Rendering, against slow references and images whose content is known."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from normnex_pl.core.rendering import PlaneSamples
from normnex_pl.core.types import MPIGeometry, Rays
from normnex_pl.model.fields import GridField
from normnex_pl.model.mpi import MPI
from support.small import (
    FIELDS,
    GEOMETRY,
    LAYERS,
    PLANES,
    SUBLAYERS,
    canvas_oracle,
    composite_oracle,
    forward_rays,
    make_mpi,
    moved,
    nex,
    numpy64,
    reference_camera,
)

every_field = pytest.mark.parametrize("kind", FIELDS)


def one_plane_mpi(geometry: MPIGeometry, plane: int, texture: Tensor) -> MPI:
    """Create an opaque plane with a known texture [height, width, 3] of the canvas; all others are clear."""
    torch.manual_seed(0)
    field = partial(GridField, divisors=(1,))
    mpi = nex(field, geometry)
    layer = plane // SUBLAYERS
    with torch.no_grad():
        mpi.field.alpha[0].fill_(-40)
        mpi.field.alpha[0][plane] = 40
        mpi.field.base_color.raw[layer] = torch.logit(texture.movedim(-1, 0))
    return mpi


def canvas_texture(geometry: MPIGeometry) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return 0.05 + 0.9 * torch.rand(geometry.canvas_height, geometry.canvas_width, 3, generator=generator)


@every_field
def test_rendering_equals_a_loop_over_rays_and_planes(kind: str) -> None:
    mpi = make_mpi(kind)
    rays = forward_rays(25)
    out = mpi.render(rays)

    near, far = 1 / GEOMETRY.near, 1 / GEOMETRY.far
    depths = 1 / np.linspace(near, far, PLANES)
    of_layers = 1 / np.linspace(near, far, PLANES).reshape(LAYERS, SUBLAYERS).mean(axis=1)
    origins, directions = numpy64(rays.origins), numpy64(rays.directions)
    samples = PlaneSamples(
        torch.from_numpy(canvas_oracle(origins, directions, depths, GEOMETRY)).float(),
        torch.from_numpy(canvas_oracle(origins, directions, of_layers, GEOMETRY)).float(),
    )
    stored = mpi.field(samples)
    viewdirs = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    H = numpy64(mpi.basis(torch.from_numpy(viewdirs).float(), None))[:, 0]
    k = np.tanh(numpy64(stored.features)).reshape(25, LAYERS, 3, 8)
    assert 0.1 < out.acc.mean() < 0.95
    close = partial(np.testing.assert_allclose, atol=3e-4)
    for ray in range(25):
        alpha, base = numpy64(stored.alpha[ray]), numpy64(stored.base_color[ray])
        specular = np.array([k[ray, plane // SUBLAYERS] @ H[ray] for plane in range(PLANES)])
        rgb, weights = composite_oracle(alpha, np.clip(base + specular, 0, 1))
        acc = weights.sum()
        close(numpy64(out.rgb[ray]), rgb)
        close(numpy64(out.stored_planes.weights[ray]), weights)
        close(numpy64(out.acc[ray]), acc)
        close(numpy64(out.diffuse[ray]), composite_oracle(alpha, base)[0])
        close(numpy64(out.disparity[ray]), (weights / depths).sum())
        if acc > 1e-3:
            expected_depth = (weights * depths).sum() / acc
            assert out.depth[ray].item() == pytest.approx(expected_depth, rel=1e-3 / acc)
        elif acc == 0:
            assert out.depth[ray].item() == pytest.approx(GEOMETRY.far)


@every_field
def test_rays_that_miss_the_canvas_see_nothing(kind: str) -> None:
    out = make_mpi(kind).render(forward_rays(100))
    missed = out.acc == 0
    assert missed.any()
    assert (out.rgb[missed] == 0).all()
    assert (out.disparity[missed] == 0).all()


@every_field
@pytest.mark.parametrize("chunk", [1, 7, 9 * 5, 10**6])
def test_chunks_do_not_show(kind: str, chunk: int) -> None:
    mpi = make_mpi(kind)
    camera = replace(moved(reference_camera(), x=0.1), width=9, height=5)
    whole, parts = mpi.render_image(camera), mpi.render_image(camera, chunk)
    assert set(parts) == set(whole)
    for name, image in parts.items():
        torch.testing.assert_close(image, whole[name], rtol=1e-6, atol=1e-6)


def test_images_have_the_size_of_the_camera() -> None:
    camera = replace(reference_camera(), width=9, height=5)
    image = make_mpi("grid").render_image(camera)
    shapes = {name: tuple(values.shape) for name, values in image.items()}
    colours, scalars = ("rgb", "diffuse", "specular"), ("acc", "depth", "disparity")
    assert shapes == dict.fromkeys(colours, (5, 9, 3)) | dict.fromkeys(scalars, (5, 9))
    assert not any(values.requires_grad for values in image.values())


@pytest.mark.parametrize("plane", range(PLANES))
def test_the_reference_camera_sees_an_opaque_plane_texel_by_pixel(plane: int) -> None:
    texture = canvas_texture(GEOMETRY)
    mpi = one_plane_mpi(GEOMETRY, plane, texture)
    image = mpi.render_image(reference_camera())
    padding = GEOMETRY.padding
    torch.testing.assert_close(image["rgb"], texture[padding:-padding, padding:-padding], rtol=0, atol=1e-4)
    torch.testing.assert_close(image["depth"], mpi.depths[plane].expand(12, 16), rtol=1e-4, atol=0)
    torch.testing.assert_close(image["acc"], torch.ones(12, 16))
    torch.testing.assert_close(image["disparity"], 1 / mpi.depths[plane].expand(12, 16), rtol=1e-4, atol=0)


@pytest.mark.parametrize("plane", [1, 4])
@pytest.mark.parametrize("pixels", [2, -1])
def test_content_moves_against_the_camera_by_focal_over_depth(plane: int, pixels: int) -> None:
    """A camera that has moved right by d/fx pixels sees everything as many pixels further left."""
    texture = canvas_texture(GEOMETRY)
    mpi = one_plane_mpi(GEOMETRY, plane, texture)
    depth = float(mpi.depths[plane])
    padding, width, height = GEOMETRY.padding, GEOMETRY.width, GEOMETRY.height
    right = mpi.render_image(moved(reference_camera(), x=pixels * depth / GEOMETRY.fx))["rgb"]
    start = padding + pixels
    torch.testing.assert_close(
        right, texture[padding : padding + height, start : start + width], rtol=0, atol=1e-3
    )
    down = mpi.render_image(moved(reference_camera(), y=pixels * depth / GEOMETRY.fy))["rgb"]
    torch.testing.assert_close(
        down, texture[start : start + height, padding : padding + width], rtol=0, atol=1e-3
    )


def test_near_content_moves_further_than_far_content() -> None:
    shifts = []
    for plane in (0, PLANES - 1):
        bright = torch.full((GEOMETRY.canvas_height, GEOMETRY.canvas_width, 3), 0.01)
        bright[:, 12:14] = 0.99
        mpi = one_plane_mpi(GEOMETRY, plane, bright)
        columns = torch.arange(GEOMETRY.width)
        before, after = (
            mpi.render_image(camera)["rgb"].mean(dim=(0, 2)) - 0.01
            for camera in (reference_camera(), moved(reference_camera(), x=0.1))
        )
        shifts.append(float((after * columns).sum() / after.sum() - (before * columns).sum() / before.sum()))
    near, far = shifts
    assert near == pytest.approx(-0.1 * GEOMETRY.fx / GEOMETRY.near, abs=0.05)
    assert far == pytest.approx(-0.1 * GEOMETRY.fx / GEOMETRY.far, abs=0.05)


@every_field
def test_the_diffuse_part_is_what_remains_without_coefficients(kind: str) -> None:
    mpi = make_mpi(kind)
    rays = forward_rays(30)
    diffuse = mpi.render(rays).diffuse
    assert (mpi.render(rays).rgb - diffuse).abs().max() > 0.05
    with torch.no_grad():
        if isinstance(mpi.field, GridField):
            mpi.field.features.zero_()
        else:
            mpi.field.feature_head.weight.zero_()
            mpi.field.feature_head.bias.zero_()
    torch.testing.assert_close(mpi.render(rays).rgb, diffuse)


def test_only_the_specular_part_depends_on_where_a_ray_comes_from() -> None:
    """Two cameras see one texel of one plane: its diffuse colour stays, its colour changes."""
    mpi = one_plane_mpi(GEOMETRY, 1, canvas_texture(GEOMETRY))
    with torch.no_grad():
        mpi.field.features.fill_(1)
    step = float(mpi.depths[1]) / GEOMETRY.fx
    here = mpi.render_image(reference_camera())
    there = mpi.render_image(moved(reference_camera(), x=step))
    torch.testing.assert_close(here["diffuse"][:, 1:], there["diffuse"][:, :-1], rtol=0, atol=1e-3)
    assert (here["rgb"][:, 1:] - there["rgb"][:, :-1]).abs().max() > 1e-3


@pytest.mark.parametrize(("sign", "limit"), [(1, 1.0), (-1, 0.0)])
def test_colours_of_planes_are_clamped_before_compositing(sign: int, limit: float) -> None:
    """All basis functions at 1 and coefficients at +-1 push every plane out of gamut."""
    mpi = one_plane_mpi(GEOMETRY, 2, canvas_texture(GEOMETRY))
    with torch.no_grad():
        mpi.field.features.fill_(20.0 * sign)
        mpi.basis.network[-1].bias.fill_(20)
    image = mpi.render_image(reference_camera())
    torch.testing.assert_close(image["rgb"], image["acc"][..., None].expand(12, 16, 3) * limit)


@every_field
def test_parameter_groups_hold_every_parameter_once(kind: str) -> None:
    mpi = make_mpi(kind)
    grouped = [id(parameter) for group in mpi.parameter_groups().values() for parameter in group]
    assert sorted(grouped) == sorted(id(parameter) for parameter in mpi.parameters())


@every_field
def test_gradients_of_colours_reach_every_parameter(kind: str) -> None:
    mpi = make_mpi(kind)
    mpi.render(forward_rays(200)).rgb.square().sum().backward()
    for name, parameter in mpi.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


@every_field
def test_rays_parallel_to_the_planes_see_nothing_and_spoil_nothing(kind: str) -> None:
    model = nex(FIELDS[kind])
    directions = torch.tensor([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]])
    rendered = model.render(Rays(torch.zeros(3, 3), directions))
    rendered.rgb.sum().backward()
    assert (rendered.acc[:2] == 0).all()
    assert rendered.acc[2] > 0
    assert all(value.grad is None or value.grad.isfinite().all() for value in model.parameters())
