"""Meaning of the colours of a model's components, and its agreement with their legends."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from matplotlib import colormaps
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor

from normnex_pl.core.types import MPIGeometry, Rays, View
from normnex_pl.evaluation.pictures.colors import SPECULAR_GAIN, to_bytes
from normnex_pl.evaluation.pictures.components import (
    chroma_picture,
    component_panels,
    depth_picture,
    disparity_picture,
    grey_picture,
    normals_picture,
    specular_legend,
    specular_picture,
)
from normnex_pl.evaluation.pictures.layers import layer_textures, mpi_sheet, spread_layers
from normnex_pl.evaluation.pictures.legends import LEGEND_WIDTH
from normnex_pl.evaluation.pictures.sheet import Panel, panel_grid
from normnex_pl.model.appearance import NeuralBasis, PredictedNormals, RGBColor, ViewQuery, YCbCrColor
from normnex_pl.model.appearance.color import AdditiveYCbCrColor, NonnegativeLuma, SignedLuma
from normnex_pl.model.fields import GridField
from normnex_pl.model.mpi import MPI
from support.sheets import places
from support.small import GEOMETRY, LAYERS, LAYOUT, SUBLAYERS, make_mpi, nex, reference_camera

Pixels = NDArray[np.uint8]
FACING = [128, 128, 255]
GREY = [128, 128, 128]
FARTHEST, NEAREST = ([round(255 * value) for value in colormaps["viridis"](end)[:3]] for end in (0.0, 1.0))


def pixel(picture: Pixels) -> list[int]:
    """Return the only pixel's colour."""
    [[color]] = picture.tolist()
    return list(color)


def shown_normal(normal: list[float], rotation: Tensor | None = None) -> list[int]:
    unit = torch.nn.functional.normalize(torch.tensor([[normal]], dtype=torch.float32), dim=-1)
    return pixel(normals_picture(unit, torch.eye(3) if rotation is None else rotation))


def value(number: float) -> Tensor:
    return torch.tensor([[number]])


def noise(height: int = 20, width: int = 300, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def contains(sheet: Pixels, picture: Pixels) -> bool:
    """Return whether the sheet shows the picture somewhere, pixel by pixel."""
    return bool(places(picture, sheet))


def test_a_surface_that_faces_the_camera_is_light_blue() -> None:
    assert shown_normal([0, 0, -1]) == FACING


def test_normals_to_the_right_are_redder_and_upward_ones_greener() -> None:
    assert shown_normal([0.6, 0, -0.8]) == [204, 128, 230]  # 255 (1 + 0.6) / 2, 255 (1 + 0.8) / 2 = 229.5
    assert shown_normal([-0.6, 0, -0.8]) == [51, 128, 230]
    assert shown_normal([0, -0.6, -0.8]) == [128, 204, 230]  # OpenCV's y points down
    assert shown_normal([0, 0.6, -0.8]) == [128, 51, 230]


def test_no_normal_is_middle_grey() -> None:
    assert pixel(normals_picture(torch.zeros(1, 1, 3), torch.eye(3))) == GREY


def test_normals_are_shown_in_the_frame_of_the_views_own_camera() -> None:
    """A camera turned to the right by 90 degrees looks along the world's x; its right is the world's -z."""
    rotation = torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    assert shown_normal([-1, 0, 0], rotation) == FACING
    assert shown_normal([0, 0, -1], rotation) == [255, 128, 128]
    assert shown_normal([0, -1, 0], rotation) == [128, 255, 128]


def test_turning_camera_and_surface_together_changes_no_colour() -> None:
    rotation = torch.from_numpy(Rotation.from_rotvec([0.3, -0.5, 0.2]).as_matrix()).float()
    normals = torch.nn.functional.normalize(
        torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(0)), dim=-1
    )
    turned = normals_picture((rotation @ normals[..., None])[..., 0], rotation)
    np.testing.assert_allclose(turned.astype(int), normals_picture(normals, torch.eye(3)), atol=1)


def test_depth_and_disparity_end_at_the_ends_of_the_map() -> None:
    for show, near, far in (
        (depth_picture, GEOMETRY.near, GEOMETRY.far),
        (disparity_picture, 1 / GEOMETRY.near, 1 / GEOMETRY.far),
    ):
        assert pixel(show(value(near), GEOMETRY)) == NEAREST
        assert pixel(show(value(far), GEOMETRY)) == FARTHEST


def test_depth_and_disparity_are_linear_in_their_own_units() -> None:
    middle = [round(255 * share) for share in colormaps["viridis"](0.5)[:3]]
    assert pixel(depth_picture(value((GEOMETRY.near + GEOMETRY.far) / 2), GEOMETRY)) == middle
    assert pixel(disparity_picture(value((1 / GEOMETRY.near + 1 / GEOMETRY.far) / 2), GEOMETRY)) == middle


def test_what_nothing_covers_looks_as_far_as_the_last_plane() -> None:
    assert pixel(disparity_picture(value(0.0), GEOMETRY)) == FARTHEST
    assert pixel(disparity_picture(value(float("nan")), GEOMETRY)) == FARTHEST


def test_no_specular_part_is_grey_where_it_may_be_negative_and_black_where_not() -> None:
    def show(number: float, signed: bool) -> list[int]:
        return pixel(specular_picture(torch.full((1, 1, 3), number), signed))

    assert show(0.0, signed=True) == GREY
    assert (show(-1.0, signed=True), show(1.0, signed=True)) == ([0] * 3, [255] * 3)
    assert show(0.0, signed=False) == [0] * 3
    assert show(0.2, signed=False) == [round(255 * 0.2 * SPECULAR_GAIN)] * 3


@pytest.mark.parametrize(
    ("color", "signed"),
    [
        (RGBColor(), True),
        (YCbCrColor(SignedLuma()), True),
        (YCbCrColor(NonnegativeLuma()), False),
        (AdditiveYCbCrColor(NonnegativeLuma()), True),  # its chroma may darken without any luma
    ],
)
def test_only_a_nonnegative_luma_that_multiplies_excludes_a_negative_specular_part(
    color: RGBColor | YCbCrColor | AdditiveYCbCrColor, signed: bool
) -> None:
    assert color.signed is signed
    samples = torch.Generator().manual_seed(0)
    features = 3 * torch.randn(500, 1, color.num_features(4), generator=samples)
    basis = 2 * torch.rand(500, 1, 4, generator=samples) - 1
    assert (color.specular(features, basis).min() < 0).item() is signed


def test_chroma_is_the_colour_of_half_luma() -> None:
    """BT.601: R = Y + 1.402 Cr, G = Y - 0.344136 Cb - 0.714136 Cr, B = Y + 1.772 Cb, and Y halves all."""
    assert pixel(chroma_picture(torch.zeros(1, 1, 2))) == GREY
    color = [0.5 + 0.701 * -0.2, 0.5 - 0.172068 * 0.3 - 0.357068 * -0.2, 0.5 + 0.886 * 0.3]
    expected = [round(255 * share) for share in color]
    assert pixel(chroma_picture(torch.tensor([[[0.3, -0.2]]]))) == expected


def rendered(variant: str) -> tuple[list[Panel], View]:
    """Return all panels of a model of random content, and the view that they show."""
    if variant == "nex":
        mpi = make_mpi("grid")
    else:
        torch.manual_seed(0)
        field = partial(GridField, divisors=(2, 1))
        color, basis = YCbCrColor(NonnegativeLuma()), NeuralBasis(ViewQuery())
        mpi = MPI(LAYOUT, field, color, basis, PredictedNormals())
    camera = reference_camera()
    view = View("view", camera, torch.from_numpy(noise(camera.height, camera.width)))
    shown = mpi.render_image(camera)
    if variant != "nex":
        shown["target_normals"] = torch.zeros(camera.height, camera.width, 3)
        shown["target_normals"][..., 2] = -1
    return component_panels(shown, view, GEOMETRY, mpi.color.signed), view


def legend_of(panels: list[Panel], name: str) -> Pixels:
    [legend] = [panel.legend for panel in panels if panel.name == name]
    assert legend is not None
    return legend


def test_models_show_what_they_have() -> None:
    common = ["render", "photo", "error", "diffuse", "specular"]
    depths = ["acc", "disparity", "depth"]
    assert [panel.name for panel in rendered("nex")[0]] == [*common, *depths]
    panels, view = rendered("normnex")
    names = [panel.name for panel in panels]
    assert names == [*common, "tint", "chroma", *depths, "target_normals", "normals"]
    assert all(panel.picture.shape == (view.camera.height, view.camera.width, 3) for panel in panels)
    np.testing.assert_array_equal(panels[1].picture, view.image.numpy())
    assert (panels[names.index("target_normals")].picture == FACING).all()


def test_bars_begin_and_end_with_the_colours_of_their_pictures() -> None:
    panels, _ = rendered("normnex")
    black, white = [0] * 3, [255] * 3
    ends = {
        "error": ([round(255 * share) for share in colormaps["magma"](0.0)[:3]], None),
        "specular": (black, white),
        "tint": (black, white),
        "acc": (black, white),
        "disparity": (NEAREST, FARTHEST),
        "depth": (NEAREST, FARTHEST),
    }
    for name, (left, right) in ends.items():
        bar = legend_of(panels, name)[2]
        assert bar[0].tolist() == left, name
        assert right is None or bar[LEGEND_WIDTH - 2].tolist() == right, name
    signed = specular_legend(signed=True)[2]
    np.testing.assert_allclose(signed[LEGEND_WIDTH // 2 - 1], GREY, atol=2)


def test_bars_have_numbers() -> None:
    panels, _ = rendered("normnex")
    for name in ("error", "specular", "tint", "acc", "disparity", "depth"):
        below = legend_of(panels, name)[14:]
        inked = np.flatnonzero((below < 128).any(axis=(0, 2)))
        assert inked.min() < 10, name
        assert inked.max() > LEGEND_WIDTH - 10, name
        assert ((inked > 90) & (inked < 150)).any(), name


def test_the_legend_of_normals_is_a_sphere() -> None:
    sphere = legend_of(rendered("normnex")[0], "normals")[:72, :72].astype(int)
    np.testing.assert_allclose(sphere[36, 36], FACING, atol=3)
    np.testing.assert_allclose(sphere[36, 71], [255, 128, 128], atol=25)
    np.testing.assert_allclose(sphere[0, 36], [128, 255, 128], atol=25)
    assert sphere[0, 0].tolist() == sphere[71, 71].tolist() == [255] * 3


def test_the_legend_of_chroma_is_a_plane() -> None:
    plane = legend_of(rendered("normnex")[0], "chroma")[:72, :72].astype(int)
    np.testing.assert_allclose(plane[36, 36], GREY, atol=4)
    assert plane[36, 71, 2] > 230 > 25 > plane[36, 0, 2]  # Cb to the right: blue
    assert plane[0, 36, 0] > 200 > 50 > plane[71, 36, 0]  # Cr upwards: red


def test_sheets_show_small_pictures_whole_and_large_ones_smaller() -> None:
    small, large = noise(seed=1), noise(40, 1008, seed=2)
    assert contains(panel_grid([Panel("a", "first", small), Panel("b", "second", noise())], 2), small)
    legend = grey_picture(torch.full((10, LEGEND_WIDTH), 0.5))
    sheet = panel_grid([Panel("c", "wide", large, legend), Panel("a", "", small)], 1)
    assert sheet.shape[1] < 600
    assert contains(sheet, small)
    assert contains(sheet, legend)


def test_titles_of_a_sheet_stand_apart() -> None:
    """Pictures may be narrower than what is written above them."""
    tiny = np.zeros((3, 3, 3), dtype=np.uint8)
    title = "a title that is much longer than the legend of any picture"
    columns = (panel_grid([Panel("a", title, tiny)] * 2, 2) < 255).any(axis=(0, 2))
    left, right = np.flatnonzero(columns[: len(columns) // 2]), np.flatnonzero(columns[len(columns) // 2 :])
    assert left.max() < len(columns) // 2 - 1
    assert len(left) == pytest.approx(len(right), abs=2)


@pytest.mark.parametrize(
    ("num_layers", "expected"),
    [
        (1, [0]),
        (2, [0, 1]),
        (8, list(range(8))),
        (16, [0, 2, 4, 6, 9, 11, 13, 14, 15]),
        (32, [0, 4, 9, 13, 18, 22, 27, 30, 31]),
    ],
)
def test_layers_are_spread_and_hold_the_last_two(num_layers: int, expected: list[int]) -> None:
    assert spread_layers(num_layers) == expected


def one_layer_mpi(geometry: MPIGeometry, texture: Tensor) -> MPI:
    """Return an MPI whose second layer has two half transparent planes of a known texture."""
    torch.manual_seed(0)
    mpi = nex(partial(GridField, divisors=(1,)), geometry)
    assert isinstance(mpi.field, GridField)
    with torch.no_grad():
        mpi.field.alpha[0].fill_(-40)
        mpi.field.alpha[0][[3, 5]] = 5.0  # sigmoid(raw - 5)
        mpi.field.base_color.raw[1] = torch.logit(texture.movedim(-1, 0))
    return mpi


def texture_of(geometry: MPIGeometry) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return 0.05 + 0.9 * torch.rand(geometry.canvas_height, geometry.canvas_width, 3, generator=generator)


def test_the_texture_of_a_layer_is_shown_as_it_is_stored() -> None:
    texture = texture_of(GEOMETRY)
    textures = layer_textures(one_layer_mpi(GEOMETRY, texture), [0, 1], chunk_size=37)
    close = partial(torch.testing.assert_close, rtol=0, atol=1e-4)
    close(textures.base_color[1], texture)
    close(textures.alpha[0], torch.zeros_like(texture[..., :1]))
    close(textures.alpha[1], torch.full_like(texture[..., :1], 0.75))  # 1 - 0.5 * 0.5
    close(textures.seen[1], 0.75 * texture)
    close(textures.seen_specular, textures.alpha * textures.specular)


def test_the_sheet_of_layers_shows_the_texture() -> None:
    texture = texture_of(GEOMETRY)
    mpi = one_layer_mpi(GEOMETRY, texture)
    stored = layer_textures(mpi, [1])
    sheet = mpi_sheet(mpi)
    assert contains(sheet, to_bytes(stored.base_color[0]))
    assert contains(sheet, to_bytes(stored.seen[0]))
    assert contains(sheet, grey_picture(stored.alpha[0, ..., 0]))
    np.testing.assert_allclose(to_bytes(stored.base_color[0]).astype(int), to_bytes(texture), atol=1)
    assert not contains(mpi_sheet(mpi, [0]), to_bytes(stored.base_color[0]))


def test_the_specular_part_of_a_layer_is_that_of_the_reference_cameras_rays() -> None:
    mpi = make_mpi("grid")
    textures = layer_textures(mpi, [0, 1])
    row, column = 5, 9  # of the canvas, whose padding is not part of the reference image
    x = (column + 0.5 - GEOMETRY.padding - GEOMETRY.cx) / GEOMETRY.fx
    y = (row + 0.5 - GEOMETRY.padding - GEOMETRY.cy) / GEOMETRY.fy
    ray = mpi.render(Rays(torch.zeros(1, 3), torch.tensor([[x, y, 1.0]])))
    torch.testing.assert_close(textures.specular[:, row, column], ray.specular[0], rtol=0, atol=1e-4)
    layers = (1 - (1 - ray.stored_planes.alpha[0]).view(LAYERS, SUBLAYERS).prod(dim=1))[:, None]
    torch.testing.assert_close(textures.alpha[:, row, column], layers, rtol=0, atol=1e-4)
    mpi.gate.zero_()
    assert not layer_textures(mpi, [0]).specular.any()


def test_large_canvases_are_averaged_to_a_bounded_size() -> None:
    geometry = replace(GEOMETRY, width=636, height=96, cx=318.0, cy=48.0)
    textures = layer_textures(one_layer_mpi(geometry, texture_of(geometry)), [1])
    assert textures.base_color.shape == (1, 50, 320, 3)
    four = texture_of(geometry).unflatten(0, (50, 2)).unflatten(2, (320, 2)).mean(dim=(1, 3))
    torch.testing.assert_close(textures.base_color[0], four, rtol=0, atol=1e-3)
