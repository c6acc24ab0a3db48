"""The far end of a multiplane image: open, or closed by an opaque plane."""

from __future__ import annotations

import pytest
import torch

from normnex_pl.geometry.planes import canvas_coordinates, planes_ahead
from normnex_pl.model.appearance import ClearBackground, OpaqueLastPlane
from normnex_pl.model.mpi import MPI
from normnex_pl.normals.canvas import bake_alpha
from support.small import FIELDS, GEOMETRY, excite, forward_rays, make_mpi, reference_camera

every_field = pytest.mark.parametrize("kind", FIELDS)


def closed(kind: str) -> MPI:
    """Create a multiplane image whose last plane is opaque."""
    mpi = make_mpi(kind)
    mpi.background = OpaqueLastPlane()
    return mpi


@every_field
def test_rays_that_meet_the_last_plane_on_the_canvas_are_covered_and_others_as_before(kind: str) -> None:
    rays = forward_rays(300)
    mpi = closed(kind)
    found, open_ended = mpi.render(rays), make_mpi(kind).render(rays)
    last = canvas_coordinates(rays, mpi.depths, GEOMETRY)[:, -1]
    hits = (last.abs() <= 1).all(dim=-1) & planes_ahead(rays, mpi.depths)[:, -1]
    assert hits.any()
    assert not hits.all()
    torch.testing.assert_close(found.acc[hits], torch.ones(int(hits.sum())))
    torch.testing.assert_close(found.rgb[~hits], open_ended.rgb[~hits])
    # The last plane fills what was open; nothing in front of it changes.
    torch.testing.assert_close(found.stored_planes.weights[:, :-1], open_ended.stored_planes.weights[:, :-1])
    assert (found.acc[hits] > open_ended.acc[hits] + 0.1).any()


def test_an_empty_image_shows_the_last_planes_colour() -> None:
    mpi = closed("grid")
    with torch.no_grad():
        for level in mpi.field.alpha:
            level.fill_(-40)
        mpi.field.features.zero_()
    image = mpi.render_image(reference_camera())
    padding = GEOMETRY.padding
    base = torch.sigmoid(mpi.field.base_color.raw[-1]).movedim(0, -1)[padding:-padding, padding:-padding]
    torch.testing.assert_close(image["rgb"], base, rtol=0, atol=1e-4)
    torch.testing.assert_close(image["depth"], torch.full_like(image["depth"], GEOMETRY.far))


def test_black_in_front_of_a_bright_background_has_to_be_opaque() -> None:
    """The gradient of a dark pixel's error opens planes against a clear background, and closes them here."""
    rays = forward_rays(40)
    slopes = {}
    for background in (ClearBackground(), OpaqueLastPlane()):
        mpi = make_mpi("grid")
        mpi.background = background
        with torch.no_grad():
            for level in mpi.field.alpha:
                level.zero_()
            mpi.field.features.zero_()
            mpi.field.base_color.raw[:-1] = -2
            mpi.field.base_color.raw[-1] = 2
        mpi.render(rays).rgb.square().sum().backward()
        finest = mpi.field.alpha[-1].grad
        assert finest is not None
        slopes[type(background)] = finest[: len(finest) // 2].sum()
    assert slopes[ClearBackground] > 0
    assert slopes[OpaqueLastPlane] < 0


@every_field
def test_the_baked_opacities_have_it_too(kind: str) -> None:
    with_it, without = bake_alpha(closed(kind), 2), bake_alpha(make_mpi(kind), 2)
    assert (with_it[-1] == 1).all()
    torch.testing.assert_close(with_it[:-1], without[:-1])


def test_gradients_are_finite_behind_it() -> None:
    mpi = closed("mlp")
    excite(mpi.field)
    mpi.render(forward_rays(50)).rgb.sum().backward()
    assert all(value.grad is None or value.grad.isfinite().all() for value in mpi.parameters())
