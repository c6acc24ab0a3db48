"""From a baked image to splats."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from export.small_models import MODELS, baked, make
from export.splats.oracle import render_splats
from normnex_pl.core.errors import UserError
from normnex_pl.export.baked.image import BakedMPI
from normnex_pl.export.baked.renderers import render_image
from normnex_pl.export.splats.convert import SplatSettings, convert
from normnex_pl.export.splats.harmonics import HarmonicFit, shown_colors
from support.small import GEOMETRY, moved, reference_camera

FINE = SplatSettings(levels=0, threshold=0.0, spread=0.0)


@pytest.fixture(params=MODELS)
def image(request: pytest.FixtureRequest, tmp_path: Path) -> BakedMPI:
    return baked(make(request.param), tmp_path)


def test_splats_stand_on_the_planes_and_have_valid_numbers(image: BakedMPI) -> None:
    splats = convert(image, FINE, HarmonicFit())
    depths = splats.means[:, 2:]
    assert float((depths - image.depths).abs().min(dim=1).values.max()) < 1e-4
    assert bool((splats.scales > 0).all())
    assert bool(((splats.opacity > 0) & (splats.opacity <= FINE.opacity)).all())
    assert bool(splats.sh.isfinite().all())
    across = splats.means[:, 0] / splats.means[:, 2] * GEOMETRY.fx + GEOMETRY.cx
    assert float(across.min()) >= -GEOMETRY.padding
    assert float(across.max()) <= GEOMETRY.width + GEOMETRY.padding


def test_splats_have_the_colours_that_the_views_see(image: BakedMPI) -> None:
    """The last plane alone, where it is opaque, as a view of the capture sees it."""
    splats = convert(image, FINE, HarmonicFit(ridge=1e-6))
    last = splats.select(splats.means[:, 2] > float(image.depths[-1]) - 1e-4)
    camera = moved(reference_camera(), 0.2, 0, 0.05)
    directions = torch.nn.functional.normalize(last.means - camera.c2w[:, 3], dim=-1)
    shown = shown_colors(last.sh, directions)
    assert bool(((shown >= -0.1) & (shown <= 1.1)).all())
    centre = last.select((last.means[:, :2].norm(dim=1) < 2).nonzero()[:, 0])
    assert len(centre) > 0


def test_the_number_of_splats_is_limited_to_the_heaviest(image: BakedMPI) -> None:
    every = convert(image, FINE, HarmonicFit())
    most = len(every) // 2
    some = convert(image, replace(FINE, most=most / 1e6), HarmonicFit())
    assert most <= len(some) <= most + 20  # ties
    kept = {tuple(mean) for mean in some.means.tolist()}
    assert kept < {tuple(mean) for mean in every.means.tolist()}
    with pytest.raises(UserError, match="--splats: expected a positive number"):
        SplatSettings(most=0.0)


def test_a_smooth_image_looks_like_its_splats(tmp_path: Path) -> None:
    image = baked(make("rgb"), tmp_path)
    image.alpha.tiles.fill_(200)
    image.base_color.tiles[:] = 128
    image.features.tiles[:] = 128
    camera = reference_camera()
    shown = render_splats(convert(image, FINE, HarmonicFit()), camera, antialiased=True)
    expected = render_image(image, camera)["rgb"]
    inside = (slice(2, -2), slice(2, -2))
    assert float((shown[inside] - expected[inside]).abs().mean()) < 0.03
