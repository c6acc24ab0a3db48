"""Contents of a video's frames: geometry of one camera, colours from one eye, pictures on a page."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from normnex_pl.core.types import Rays, Scene, View
from normnex_pl.evaluation.pictures.colors import to_bytes
from normnex_pl.evaluation.pictures.components import disparity_picture, specular_picture
from normnex_pl.evaluation.pictures.sheet import Panel, in_rows, lay_out
from normnex_pl.export.paths import CameraPath, Rig, fixed_camera, rig_of_geometry, spiral
from normnex_pl.export.video.frames import (
    FrameSource,
    available_components,
    fit_photo,
    frame_camera,
    render_seen_from,
)
from normnex_pl.export.video.sheets import columns_for, sheet_for
from normnex_pl.geometry.cameras import image_rays, project
from normnex_pl.geometry.layout import PlaneLayout
from normnex_pl.model.appearance import NeuralBasis, NoNormals, RGBColor, ViewQuery
from normnex_pl.model.fields import GridField
from normnex_pl.model.mpi import MPI
from support.small import GEOMETRY, excite, make_mpi, moved, reference_camera

EYE = torch.tensor([0.2, -0.1, 0.3])


def rig() -> Rig:
    return rig_of_geometry(GEOMETRY)


def source(mpi: MPI, scene: Scene | None = None, width: int = 16, height: int = 12) -> FrameSource:
    return FrameSource(mpi, scene, width, height, chunk_size=50)


def two_photos() -> Scene:
    """Return a photo to the left, all red, and one to the right, all blue."""
    views = []
    for name, x, color in (("left", -0.1, (200, 0, 0)), ("right", 0.1, (0, 0, 200))):
        image = torch.tensor(color, dtype=torch.uint8).expand(GEOMETRY.height, GEOMETRY.width, 3).clone()
        views.append(View(name, moved(reference_camera(), x=x), image))
    return Scene("two", Path("two"), tuple(views), (0, 1), (0,), 0, GEOMETRY, torch.eye(4))


@pytest.mark.parametrize("kind", ["grid", "mlp"])
def test_from_the_cameras_own_eyes_all_is_as_ever(kind: str) -> None:
    mpi, camera = make_mpi(kind), moved(reference_camera(), x=0.2, y=0.1)
    expected = mpi.render_image(camera)
    shown = render_seen_from(mpi, camera, camera.c2w[:, 3], chunk_size=50)
    assert shown.keys() == expected.keys()
    for name, values in expected.items():
        torch.testing.assert_close(shown[name], values, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["grid", "mlp"])
def test_another_eye_changes_the_specular_part_and_nothing_else(kind: str) -> None:
    mpi, camera = make_mpi(kind), reference_camera()
    own = mpi.render_image(camera)
    shown = render_seen_from(mpi, camera, EYE)
    for name in ("acc", "depth", "disparity", "diffuse"):
        assert torch.equal(shown[name], own[name]), name
    assert (shown["specular"] - own["specular"]).abs().mean() > 0.01
    assert (shown["rgb"] - own["rgb"]).abs().mean() > 0.01


def test_an_opaque_surface_has_the_colours_that_a_camera_at_the_eye_would_see() -> None:
    torch.manual_seed(0)
    field = partial(GridField, divisors=(1,))
    mpi = MPI(PlaneLayout(GEOMETRY, 4, 1), field, RGBColor(), NeuralBasis(ViewQuery()), NoNormals())
    excite(mpi.field)
    assert isinstance(mpi.field, GridField)
    with torch.no_grad():
        mpi.field.alpha[0].fill_(100)
    camera = frame_camera(GEOMETRY, torch.eye(3, 4), 8, 6)
    rays = image_rays(camera)
    surface = rays.origins + rays.directions * mpi.depths[0]
    from_eye = (surface - EYE).flatten(0, 1)
    with torch.no_grad():
        expected = mpi.render(Rays(EYE.expand_as(from_eye), from_eye)).rgb.unflatten(0, (6, 8))
    torch.testing.assert_close(render_seen_from(mpi, camera, EYE)["rgb"], expected, atol=1e-4, rtol=1e-4)
    assert (mpi.render_image(camera)["rgb"] - expected).abs().max() > 0.02


def test_the_fixed_path_shows_one_geometry_and_changing_specular() -> None:
    mpi = make_mpi("grid")
    names = ["diffuse", "disparity", "acc", "specular"]
    frames = list(source(mpi).panels(fixed_camera(rig(), 5), names))
    for index, name in enumerate(names):
        same = [bool((frame[index].picture == frames[0][index].picture).all()) for frame in frames[1:]]
        assert all(same) if name != "specular" else not any(same), name


def test_panels_are_rendered_from_the_camera_of_the_path() -> None:
    mpi, path = make_mpi("grid"), spiral(rig(), 3)
    for c2w, panels in zip(path.c2w, source(mpi).panels(path, ["specular", "render"]), strict=True):
        shown = mpi.render_image(frame_camera(GEOMETRY, c2w, 16, 12))
        assert [panel.name for panel in panels] == ["specular", "render"]
        assert (panels[0].picture == specular_picture(shown["specular"], True)).all()
        assert (panels[1].picture == to_bytes(shown["rgb"])).all()


def test_disparity_keeps_its_colours_over_the_video() -> None:
    mpi, path = make_mpi("grid"), spiral(rig(), 3)
    frames = [panel for [panel] in source(mpi).panels(path, ["disparity"])]
    for c2w, panel in zip(path.c2w, frames, strict=True):
        disparity = mpi.render_image(frame_camera(GEOMETRY, c2w, 16, 12))["disparity"]
        assert (panel.picture == disparity_picture(disparity, GEOMETRY)).all()
        assert panel.legend is not None
        assert frames[0].legend is not None
        assert (panel.legend == frames[0].legend).all()


def test_the_nearest_training_photo_is_the_one_nearest_to_the_eye() -> None:
    c2w = torch.eye(3, 4).expand(2, 3, 4)
    path = CameraPath(c2w, torch.tensor([[-0.3, 0, 0], [0.3, 0, 0]]))
    [[left], [right]] = source(make_mpi("grid"), two_photos()).panels(path, ["photo"])
    assert left.title == "nearest training photo"
    assert (left.picture == [200, 0, 0]).all()
    assert (right.picture == [0, 0, 200]).all()


def test_components_are_those_of_the_model() -> None:
    expected = ["render", "photo", "diffuse", "specular", "acc", "disparity", "depth"]
    assert available_components(make_mpi("grid")) == expected


@pytest.mark.parametrize("width", [8, 16, 33])
def test_a_frame_sees_as_much_as_the_reference_camera(width: int) -> None:
    height = round(width * 0.75)
    camera = frame_camera(GEOMETRY, torch.eye(3, 4), width, height)
    point = torch.tensor([0.3, -0.2, 3.0])
    u, v, _ = project(camera, point)
    reference_u, reference_v, _ = project(reference_camera(), point)
    assert float(u) == pytest.approx(float(reference_u) * width / GEOMETRY.width)
    from_middle = (float(reference_v) - GEOMETRY.height / 2) * width / GEOMETRY.width
    assert float(v) - height / 2 == pytest.approx(from_middle)


def test_photos_and_frames_of_another_shape_are_cut_alike() -> None:
    """A row of the photo is where the camera of a frame sees it."""
    photo = np.zeros((12, 16, 3), np.uint8)
    photo[6:] = 255
    for height in (6, 12, 20):
        fitted = fit_photo(photo, 16, height)
        assert fitted.shape == (height, 16, 3)
        assert (fitted[height // 2, :] == 255).all()
        assert (fitted[height // 2 - 1, :] == 0).all()
    assert (fit_photo(photo, 16, 20)[-4:] == 0).all()


def panels_of(count: int, legend: bool = False) -> list[Panel]:
    rng = np.random.default_rng(0)
    bar = np.full((20, 240, 3), 7, np.uint8) if legend else None
    pictures = rng.integers(1, 255, (count, 30, 400, 3), dtype=np.uint8)
    return [Panel(f"p{i}", f"title {i}", picture, bar) for i, picture in enumerate(pictures)]


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (4, 2), (5, 3), (3, 1), (2, 5)])
@pytest.mark.parametrize("legend", [True, False])
def test_a_sheet_shows_every_picture_whole_under_its_title(count: int, columns: int, legend: bool) -> None:
    panels = panels_of(count, legend)
    sheet = lay_out(in_rows(panels, columns))
    frame = sheet.fill(panels)
    assert len(set(sheet.corners)) == count
    for (top, left), panel in zip(sheet.corners, panels, strict=True):
        assert (frame[top : top + 30, left : left + 400] == panel.picture).all()
        above = frame[top - 26 : top, left : left + 100]
        assert (above < 128).any()
        assert (above[-3:-1] == 255).all()
        assert (above[-1] == 192).all()  # a line around the picture
    if legend:
        assert ((frame == 7).all(axis=-1).sum() >= count * 20 * 240) == legend
    for border in (frame[:4], frame[-4:], frame[:, :4], frame[:, -4:]):
        assert (border == 255).all()


def test_a_long_title_and_a_legend_widen_the_column() -> None:
    [panel] = panels_of(1, legend=True)
    small = replace(panel, picture=panel.picture[:, :20], title="a title that is longer than the picture")
    page = lay_out([[small, small]]).page
    assert page.shape[1] > 2 * 300
    assert (page[:, -4:] == 255).all()


def test_a_sheet_is_filled_without_leaving_traces() -> None:
    first, second = panels_of(2)
    sheet = lay_out([[first]])
    once = sheet.fill([first])
    sheet.fill([second])
    assert (sheet.fill([first]) == once).all()


def test_only_colours_that_speak_for_themselves_stand_alone() -> None:
    [plain], [explained] = panels_of(1), panels_of(1, legend=True)
    assert (sheet_for([plain], 1).fill([plain]) == plain.picture).all()
    assert len(sheet_for([explained], 1).page) > 30 + 20 + 18


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (3, 2), (4, 2), (6, 3), (9, 3)])
def test_a_grid_is_about_a_square(count: int, columns: int) -> None:
    assert columns_for(count) == columns
