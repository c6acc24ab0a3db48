"""The baked multiplane image, rendered from its files, against the live renderer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from export.small_models import FINE, MODELS, around, baked, largest_error, make
from normnex_pl.core.errors import UserError
from normnex_pl.core.types import Camera, Rays
from normnex_pl.export.baked.basis_table import TOLERANCE
from normnex_pl.export.baked.codes import LEVELS
from normnex_pl.export.baked.image import LEAST_LIGHT, BakedMPI
from normnex_pl.export.baked.pipeline import BakeSettings, bake
from normnex_pl.export.baked.renderers import TorchRenderer, render_image
from normnex_pl.export.baked.steps import evaluate as bake_files
from normnex_pl.geometry.cameras import image_rays
from normnex_pl.model.appearance import ColorModel
from normnex_pl.model.compositing import transmittance
from normnex_pl.model.mpi import MPI
from support.small import FIELDS, GEOMETRY, LAYERS, PLANES, SUBLAYERS, moved, reference_camera

HALF_LEVEL = 1 / (2 * LEVELS)


@pytest.fixture(autouse=True)
def _small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut each texture into several tiles, although the canvas has only 20 x 16 pixels."""
    monkeypatch.setattr(bake_files, "_TILE_PIXELS", 4)
    monkeypatch.setattr(bake_files, "_TILE_SIZES", (8,))


def rays_of(camera: Camera) -> Rays:
    rays = image_rays(camera)
    return Rays(rays.origins.reshape(-1, 3), rays.directions.reshape(-1, 3))


def bound(mpi: MPI, ours: BakedMPI, rays: Rays, steepest: ColorModel) -> Tensor:
    """Return how far rounding to 8 bits can move the colour of rays.

    Planes are rounded one after another, front to back. A change of alpha moves a colour by the light that
    reaches the plane, since what is in front of it is rounded already and colours lie in [0, 1]; a change of
    the plane's colour by its weight. The specular part changes by its derivatives by features, half a level
    each, and by basis functions, the table's error each; half as much is added for what is not linear.
    """
    samples = mpi.intersect(rays)
    stored = mpi.field(samples)
    live = mpi.shade(rays, samples, stored)
    alpha = live.stored_planes.alpha
    rounded = (alpha * LEVELS).round() / LEVELS
    by_alpha = (transmittance(torch.minimum(rounded, alpha)) * HALF_LEVEL).sum(dim=-1)
    steps = torch.zeros(LAYERS, 0)
    if stored.features.shape[-1]:
        steps = largest_error(ours.features.ranges)

    def specular(features: Tensor, offset: Tensor, viewdir: Tensor) -> Tensor:
        normals = mpi.normals(features[None, None, mpi.num_color_features :])
        functions = mpi.basis(viewdir[None], normals) + offset
        return steepest.specular(features[None, None, : mpi.num_color_features], functions)[0, 0]

    per_layer = torch.vmap(torch.func.jacrev(specular, argnums=(0, 1)), in_dims=(0, None, None))
    slopes, table = torch.vmap(per_layer, in_dims=(0, None, 0))(
        stored.features, torch.zeros(mpi.basis.num_basis), rays.viewdirs
    )
    by_features = (slopes.abs() * steps[:, None]).sum(dim=-1) + table.abs().sum(dim=-1) * TOLERANCE
    per_plane = HALF_LEVEL + 1.5 * by_features.repeat_interleave(SUBLAYERS, dim=1)
    by_color = (live.stored_planes.weights[..., None] * per_plane).sum(dim=1)
    return by_color + by_alpha[:, None] + LEAST_LIGHT + 1e-5


@pytest.mark.parametrize("kind", FIELDS)
@pytest.mark.parametrize("name", MODELS)
def test_baked_and_live_agree_within_eight_bits_and_half_a_pixel_is_seen(
    name: str, kind: str, tmp_path: Path
) -> None:
    mpi = make(name, kind)
    ours = baked(mpi, tmp_path)
    rays = rays_of(reference_camera())
    live, limit = mpi.render(rays).rgb, bound(mpi, ours, rays, MODELS[name].steepest)
    error = (ours.render(rays)["rgb"] - live).abs()
    assert bool((error <= limit).all()), float((error / limit).max())
    assert float(limit.mean()) < 0.08
    K = reference_camera().K.clone()
    K[0, 2] += 0.5
    shifted = ours.render(rays_of(Camera(K, torch.eye(3, 4), GEOMETRY.width, GEOMETRY.height)))["rgb"]
    beyond = ((shifted - live).abs() > limit).any(dim=-1)
    assert float(beyond.float().mean()) > 0.2


@pytest.mark.parametrize("name", ["rgb", "rgb_by_reflection", "normnex"])
def test_features_are_read_at_the_layers_and_planes_at_the_planes_from_every_view(
    name: str, tmp_path: Path
) -> None:
    """Reading the field's own texels bilinearly is exact; so are opacities that don't vary over a plane."""
    mpi = make(name)
    with torch.no_grad():
        for level in mpi.field.alpha:
            level.copy_(level.mean(dim=(1, 2), keepdim=True).expand_as(level))
    ours = baked(mpi, tmp_path)
    for camera in around(reference_camera())[1:]:
        rays = rays_of(camera)
        live, limit = mpi.render(rays).rgb, bound(mpi, ours, rays, MODELS[name].steepest)
        error = (ours.render(rays)["rgb"] - live).abs()
        assert bool((error <= limit).all()), float((error / limit).max())


@pytest.mark.parametrize("name", ["rgb", "ycbcr", "normnex"])
def test_components_are_those_of_the_live_renderer(name: str, tmp_path: Path) -> None:
    mpi = make(name)
    camera = reference_camera()
    live, ours = (
        mpi.render_image(camera),
        render_image(baked(mpi, tmp_path), camera, TorchRenderer(chunk_size=50)),
    )
    assert set(ours) == set(live)
    for component, values in live.items():
        assert ours[component].shape == values.shape, component
        scale = float(mpi.depths[-1]) if component == "depth" else 1.0
        difference = (ours[component] - values).abs()
        if component == "normals":
            difference = difference[live["acc"] > 0.3]
        assert float(difference.mean()) < 0.02 * scale, component


def test_the_gate_of_a_diffuse_phase_is_baked(tmp_path: Path) -> None:
    mpi = make("normnex")
    mpi.gate.fill_(0.0)
    assert float(render_image(baked(mpi, tmp_path), reference_camera())["specular"].abs().max()) < 1e-6


def test_rays_that_end_early_lose_no_more_light_than_is_said(tmp_path: Path) -> None:
    ours = baked(make("rgb"), tmp_path)
    rays = rays_of(reference_camera())
    whole = ours.render(rays, least_light=0.0)
    for least in (0.01, 0.2):
        early = ours.render(rays, least_light=least)
        assert float((early["rgb"] - whole["rgb"]).abs().max()) <= least
    assert float((whole["acc"] - early["acc"]).max()) > 0.01


def test_rays_that_miss_everything_are_black(tmp_path: Path) -> None:
    ours = baked(make("normnex"), tmp_path)
    away = Rays(torch.zeros(5, 3), torch.tensor([1.0, 0.0, 1e-3]).expand(5, 3))
    behind = Rays(torch.zeros(5, 3), torch.tensor([0.0, 0.0, -1.0]).expand(5, 3))
    for rays in (away, behind):
        shown = ours.render(rays)
        assert float(shown["rgb"].abs().max()) == 0
        assert torch.equal(shown["depth"], torch.full((5,), GEOMETRY.far))


@pytest.mark.parametrize("tolerance", [0.5, 4.0])
def test_rounded_colors_move_pixels_by_the_tolerance_on_each_layer(tolerance: float, tmp_path: Path) -> None:
    mpi = make("rgb")
    whole = baked(mpi, tmp_path / "whole")
    rounded = baked(mpi, tmp_path / "rounded", replace(FINE, tolerance=tolerance))
    for camera in around(reference_camera()):
        rays = rays_of(camera)
        moved = (whole.render(rays)["diffuse"] - rounded.render(rays)["diffuse"]).abs() * LEVELS
        assert float(moved.max()) <= LAYERS * tolerance + 0.5
    assert float(moved.max()) > 0.2 * tolerance
    values = [torch.unique(each.base_color.tiles).numel() for each in (whole, rounded)]
    assert values[1] <= values[0]


def test_tiles_below_the_threshold_are_dropped_and_little_is_lost(tmp_path: Path) -> None:
    mpi = make("rgb")
    with torch.no_grad():
        mpi.field.alpha[2][1:3] -= 30  # two transparent planes
    every, few = (
        baked(mpi, tmp_path / "all"),
        baked(mpi, tmp_path / "few", replace(FINE, threshold=0.02)),
    )
    count = [int((each.alpha.slots >= 0).sum()) for each in (every, few)]
    assert count[1] < count[0] - 1
    rays = rays_of(reference_camera())
    lost = (every.render(rays)["rgb"] - few.render(rays)["rgb"]).abs()
    assert float(lost.max()) <= 0.02 * PLANES


def test_edges_of_opacity_are_sharper_than_the_grid_that_holds_them(tmp_path: Path) -> None:
    """The live sigmoid follows the interpolation of cells, the baked one precedes that of texels."""
    mpi = make("rgb")
    rays = rays_of(moved(reference_camera(), 0.07, 0.03, 0))  # not at the centres of texels
    live = mpi.render(rays).rgb

    def lost(settings: BakeSettings) -> float:
        return float((baked(mpi, tmp_path, settings).render(rays)["rgb"] - live).square().mean().sqrt())

    kept = BakeSettings(threshold=0.0, tolerance=0.0)
    assert lost(kept) < 0.7 * lost(replace(kept, alpha_pixels=2.0))


def test_what_no_view_sees_is_not_stored(tmp_path: Path) -> None:
    mpi = make("rgb")
    narrow = Camera(reference_camera().K, torch.eye(3, 4), 4, 4)
    bake(mpi, [narrow], tmp_path / "mpi", FINE, {})
    table = BakedMPI.read(tmp_path / "mpi").base_color.slots
    assert bool((table[:, 0, 0] >= 0).all())
    assert bool((table[:, -1, -1] < 0).all())


def test_a_model_that_diverged_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    mpi = make("rgb")
    mpi.field.features[0, 0, 0, 0] = torch.nan
    with pytest.raises(UserError, match=r"expected finite opacities, colours and features"):
        baked(mpi, tmp_path)
    assert not list(tmp_path.iterdir())


def test_pictures_have_no_alpha_channel_and_fit_the_manifest(tmp_path: Path) -> None:
    baked(make("rgb"), tmp_path)
    manifest = json.loads((tmp_path / "mpi" / "manifest.json").read_text())
    named = {"manifest.json", manifest["basis"]["file"]}
    for texture in manifest["textures"].values():
        named |= {texture["table"]["file"]} | {file["file"] for page in texture["files"] for file in page}
        assert len(texture["files"][0]) == -(-texture["channels"] // 3)
        for file in texture["files"][0]:
            with Image.open(tmp_path / "mpi" / file["file"]) as image:
                assert image.mode in ("RGB", "L")
                assert image.width == texture["tiles_per_row"] * texture["tile"]
                assert image.height == texture["rows_per_page"] * texture["tile"]
    assert named == {path.name for path in (tmp_path / "mpi").iterdir()}
    disk = sum(path.stat().st_size for path in (tmp_path / "mpi").iterdir() if path.name != "manifest.json")
    assert manifest["bytes"]["disk"] == disk


def test_the_first_tile_of_a_page_is_the_texture_s_own(tmp_path: Path) -> None:
    """Decode the files alone by hand, as a viewer would."""
    mpi = make("rgb")
    baked(mpi, tmp_path)
    entry = json.loads((tmp_path / "mpi" / "manifest.json").read_text())["textures"]["base_color"]
    table = np.fromfile(tmp_path / "mpi" / "base_color_tiles.bin", "<u4")
    layer, row, column = np.argwhere(table.reshape(-1, entry["rows"], entry["columns"]) == 1)[0]
    size, shown = entry["tile"], entry["tile"] - 2
    with Image.open(tmp_path / "mpi" / "base_color_000.webp") as image:
        tile = np.asarray(image)[1 : size - 1, 1 : size - 1] / 255
    colors = torch.sigmoid(mpi.field.base_color.raw)[layer].movedim(0, -1).numpy()
    part = colors[row * shown : (row + 1) * shown, column * shown : (column + 1) * shown]
    np.testing.assert_allclose(tile[: part.shape[0], : part.shape[1]], part, atol=HALF_LEVEL + 1e-6)
