"""Rendered scenes of the family: their geometry by closed forms, and the two layers of a pane of glass."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_dilation

from normnex_pl.data.truth import LABELS, read_truth

mi = pytest.importorskip("mitsuba")

SCENES_FOLDER = Path(__file__).parents[2] / "experiments" / "scenes"
sys.path.insert(0, str(SCENES_FOLDER))

import render  # noqa: E402

with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # without LLVM all is the same, only slower
    render.choose_variant()

import family_scene  # noqa: E402
import layout  # noqa: E402
import llff  # noqa: E402
import meshes  # noqa: E402
from cameras import Camera, make_cameras  # noqa: E402
from capped import Capped  # noqa: E402
from family import SCENES, Pane, SceneDescription  # noqa: E402
from family_light import CAP, render_light  # noqa: E402
from mesh_nodes import mesh_node  # noqa: E402
from pane_geometry import covered, rectangle  # noqa: E402
from pane_light import MirroredByPane, ThroughPane  # noqa: E402

Array = NDArray[np.float64]
Place = tuple[float, float, float]

SHOWCASE = Pane(x=0.05, turn=8, tilt=6, width=0.9, height=0.9)
WHITE = {"type": "diffuse", "reflectance": {"type": "rgb", "value": 0.8}}


@pytest.fixture(autouse=True)
def _coarse_textures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(family_scene, "DENSITIES", dict.fromkeys(family_scene.DENSITIES, (25, 25)))


def camera(width: int, seed: int = 0) -> Camera:
    return make_cameras(9, width, seed)[0]


def rays(view: Camera) -> Array:
    """Return world rays (H, W, 3) through the centres of the pixels, of depth 1 along the forward axis."""
    v, u = np.indices((view.height, view.width)) + 0.5
    local = np.stack([u - view.width / 2, v - view.height / 2, np.full_like(u, view.focal)], -1)
    return local / view.focal @ view.rotation.T


def in_world(view: Camera, geometry: render.Geometry) -> tuple[Array, Array]:
    """Return points and normals (H, W, 3) in the world frame."""
    points = view.position + rays(view) * geometry.depth[..., None]
    return points, geometry.normals @ view.rotation.T


def only(**shapes: Any) -> mi.Scene:
    """Load shapes in front of a wall."""
    place = mi.ScalarTransform4f().translate([0, 0, -5]).scale(8)
    wall = {"type": "rectangle", "to_world": place, "bsdf": WHITE}
    return mi.load_dict({"type": "scene", "wall": wall, **shapes}, parallel=False, optimize=False)


def test_depth_and_normals_of_a_revolution_are_those_of_its_profile() -> None:
    y = np.linspace(0, 1.6, 401)
    vase = meshes.revolved([np.stack([0.4 + 0.1 * np.sin(4 * y), y], -1)], 512).placed(
        1, 1, (0.1, -1.2, -2.5)
    )
    view = camera(64)
    scene = only(glossy_vase=mesh_node(vase, WHITE))
    geometry = render.render_geometry(scene, view)
    seen = layout.label_lookup(scene)[geometry.shape] == LABELS["glossy"]
    assert seen.mean() > 0.1
    points, normals = (values[seen] for values in in_world(view, geometry))
    x, height, z = np.moveaxis(points - (0.1, -1.2, -2.5), -1, 0)
    outside = (normals * (points - view.position)).sum(-1) < -0.2  # silhouettes magnify any difference
    np.testing.assert_allclose(np.hypot(x, z), 0.4 + 0.1 * np.sin(4 * height), atol=1e-4)
    slope = 0.4 * np.cos(4 * height)
    expected = np.stack([x / np.hypot(x, z), -slope, z / np.hypot(x, z)], -1) / np.sqrt(1 + slope**2)[:, None]
    facing = (expected * (points - view.position)).sum(-1) < 0  # else the inner side is seen
    cosine = (normals * expected).sum(-1)[outside & facing]
    assert cosine.size > 100
    assert cosine.min() > np.cos(np.radians(0.3))


@pytest.mark.parametrize("name", SCENES)
def test_named_scenes_show_all_labels_and_no_lamp(name: str) -> None:
    description = SCENES[name]
    scene = family_scene.build(description)
    labels = layout.label_lookup(scene)
    depths = []
    for view in make_cameras(24, 64, description.seed)[::4]:
        geometry = render.render_geometry(scene, view)
        assert set(np.unique(labels[geometry.shape])) == set(LABELS.values())
        depths += [geometry.depth.min(), geometry.depth.max()]
    assert 0.8 < min(depths) < 1.3
    assert max(depths) / min(depths) > (7 if description.deep else 4)


@pytest.mark.parametrize("index", [0, 5])
def test_pixels_that_see_through_a_pane_are_those_inside_its_outline(index: int) -> None:
    view = make_cameras(9, 64, 0)[index]
    place = rectangle(SHOWCASE)
    outline = [
        place.middle + i * place.half_size[0] * place.right + j * place.half_size[1] * place.up
        for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]
    x, y, z = np.moveaxis((np.array(outline) - view.position) @ view.rotation, -1, 0)
    corners = np.stack([view.focal * x / z + view.width / 2, view.focal * y / z + view.height / 2], -1)
    pixels = np.stack(np.meshgrid(np.arange(view.width), np.arange(view.height)), -1) + 0.5
    edges = np.roll(corners, -1, axis=0) - corners
    offsets = pixels[:, :, None] - corners
    side = edges[:, 0] * offsets[..., 1] - edges[:, 1] * offsets[..., 0]
    expected = (side > 0).all(-1) | (side < 0).all(-1)
    assert 0.1 < expected.mean() < 0.9
    shape = (view.height, view.width)
    np.testing.assert_array_equal(covered(SHOWCASE, view, np.full(shape, np.inf)), expected)
    assert not covered(SHOWCASE, view, np.full(shape, 0.5)).any()  # the surfaces are in front of the pane


def lamp(
    at: tuple[float, float, float], target: tuple[float, float, float], radiance: float
) -> dict[str, Any]:
    frame = mi.ScalarTransform4f().look_at(list(at), list(target), [0, 1, 0.01]).scale([0.5, 0.4, 1])
    light = {"type": "area", "radiance": {"type": "rgb", "value": radiance}}
    return {"type": "rectangle", "to_world": frame, "emitter": light}


def lamps() -> dict[str, Any]:
    """Return lamps behind a pane and in front of it: light that no pane changes before it reaches one."""
    return {
        "lamp_behind": lamp((0.1, -0.3, -3), (0, -0.3, 0), 0.7),
        "lamp_front": lamp((0.2, 0.5, 2), (0, 0, -1.4), 5.0),
    }


def test_the_layers_are_those_of_real_thin_glass() -> None:
    """Compare their sum to a path tracer that meets mitsuba's own thin glass, where only lamps are seen."""
    view, place = camera(32), rectangle(SHOWCASE)
    scene = only(**lamps())
    through = ThroughPane(render.path_tracer(), place, SHOWCASE.index)
    mirrored = MirroredByPane(render.path_tracer(), place, SHOWCASE.index)
    layers = [render.render_with(scene, layer, view, 64, 0) for layer in (through, mirrored)]
    to_world = np.eye(4)
    to_world[:3] = np.column_stack(
        [place.right * place.half_size[0], place.up * place.half_size[1], place.normal, place.middle]
    )
    glass = {
        "type": "rectangle",
        "to_world": mi.ScalarTransform4f(to_world),
        "bsdf": {"type": "thindielectric", "int_ior": SHOWCASE.index, "ext_ior": 1.0},
    }
    real = render.render_with(only(glass=glass, **lamps()), render.path_tracer(), view, 4096, 0)
    inside = covered(SHOWCASE, view, np.full(real.shape[:2], np.inf))
    # Our glass dims no light on its way to the wall: compare where the farther lamp is seen.
    behind = inside & (layers[0].min(-1) > 0.63)
    both = behind & (layers[1].min(-1) > 0.3)
    assert behind.sum() > 20
    assert both.sum() > 5
    for shown in (behind & (layers[1].max(-1) < 0.1), both):
        np.testing.assert_allclose((layers[0] + layers[1])[shown].mean(), real[shown].mean(), rtol=0.01)


@cache
def showcase() -> mi.Scene:
    return family_scene.build(SceneDescription(0, "studio", "satin", pane=SHOWCASE))


@cache
def plain() -> mi.Scene:
    return family_scene.build(SceneDescription(1, "gallery", "matte"))


def test_layers_of_a_showcase_add_up_and_only_the_glass_changes_light() -> None:
    scene, view = showcase(), camera(32)
    light = render_light(scene, SHOWCASE, view, 16, 3, held_out=True)
    transmitted, mirrored = light.layers["transmitted"], light.layers["mirrored"]
    np.testing.assert_array_equal(light.full, transmitted + mirrored)
    without = render_light(scene, None, view, 16, 3, held_out=True)
    inside = covered(SHOWCASE, view, render.render_geometry(scene, view).depth)
    assert 0.1 < inside.mean() < 0.9
    assert without.diffuse is not None
    assert light.diffuse is not None
    # Thin glass of this index passes 92 % of what meets it at right angles, and less else.
    for through, all_light in ((transmitted, without.full), (light.diffuse, without.diffuse)):
        share = through / np.maximum(all_light, 1e-6)
        assert share[all_light > 1e-3].max() < 1 + 1e-5
        assert 0.85 < np.median(share[inside & (all_light > 0.01).all(-1)]) < 0.9231
        beside = ~binary_dilation(inside, np.ones((3, 3)))
        np.testing.assert_allclose(through[beside], all_light[beside], rtol=1e-5)
    assert mirrored[inside].mean() > 0.01
    assert mirrored[beside].max() == 0


def test_without_glass_there_are_no_layers_and_training_views_have_no_parts() -> None:
    view = camera(16)
    assert render_light(plain(), None, view, 1, 0, held_out=True).layers == {}
    assert render_light(plain(), None, view, 1, 0, held_out=False).diffuse is None
    glass = render_light(showcase(), SHOWCASE, view, 1, 0, held_out=False)
    assert glass.diffuse is None
    assert glass.layers == {}


def test_a_seed_gives_the_same_picture_and_another_seed_another() -> None:
    view = camera(24)
    scenes = [plain(), *(family_scene.build(SceneDescription(seed, "gallery", "matte")) for seed in (1, 2))]
    pictures = [render_light(scene, None, view, 4, 0, held_out=False).full for scene in scenes]
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert np.abs(pictures[0] - pictures[2]).mean() > 0.02


def test_a_cap_bounds_bright_light_and_keeps_its_colour() -> None:
    scene = only(
        lamp_red={
            **lamp((0, -0.4, -3), (0, 0, 0), 1),
            "emitter": {"type": "area", "radiance": {"type": "rgb", "value": [40, 20, 10]}},
        }
    )
    view = camera(16)
    plain = render.render_with(scene, render.path_tracer(), view, 4, 0)
    capped = render.render_with(scene, Capped(render.path_tracer(), CAP), view, 4, 0)
    assert capped.max() == pytest.approx(CAP, rel=1e-5)
    lit = plain.max(-1) > 39.9
    assert lit.any()
    np.testing.assert_allclose(capped[lit], np.broadcast_to([4, 2, 1], capped[lit].shape), rtol=1e-4)
    tame = render.render_with(scene, Capped(render.path_tracer(), 1e6), view, 4, 0)
    np.testing.assert_allclose(tame, plain, rtol=1e-6)


@pytest.mark.slow
def test_the_demo_is_still_rendered_as_it_was_shipped(demo_scene: Path) -> None:
    scene, view = layout.build_scene("spheres", "studio", 0), make_cameras(30, 504, 0)[0]
    geometry = render.render_geometry(scene, view)
    with np.load(demo_scene / "truth" / "view_000.npz") as truth:
        np.testing.assert_array_equal(layout.label_lookup(scene)[geometry.shape], truth["mask"])
        np.testing.assert_allclose(geometry.depth, truth["depth"], rtol=1e-5)
        shipped = ((truth["diffuse"] / 255 + 0.055) / 1.055) ** 2.4  # linear, but for very dark pixels
    light = render.render_diffuse(scene, view, 1, 0)
    ours, theirs = (image.reshape(21, 18, 28, 18, 3).mean((1, 3)) for image in (light, shipped))
    seen = theirs > 0.03
    assert seen.mean() > 0.5
    assert np.median(np.abs(ours / theirs - 1)[seen]) < 0.03


@pytest.mark.slow
def test_the_script_writes_what_the_package_reads(tmp_path: Path) -> None:
    output = tmp_path / "scene"
    script = SCENES_FOLDER / "make_family.py"
    command = [sys.executable, str(script), f"--output={output}", "--name=dev_4"]
    command += ["--width=48", "--views=9", "--spp=4"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert json.loads((output / "scene.json").read_text())["pane"]["turn"] == SCENES["dev_4"].pane.turn
    assert np.load(output / "poses_bounds.npy").shape == (9, 17)
    for name in ("view_000", "view_008"):
        truth = read_truth(output, name, 36, 48)
        assert truth is not None
        assert truth.layers is not None
        total = llff.to_bytes((truth.layers.transmitted + truth.layers.mirrored).numpy()).astype(int)
        parts = (255 * (truth.diffuse + truth.specular)).round().numpy()
        assert np.abs(total - parts).max() <= 1  # half precision
        with Image.open(output / "images" / f"{name}.jpg") as photo:
            assert np.abs(total - np.asarray(photo, np.int64)).mean() < 8
        assert set(truth.layers.pane.unique().tolist()) == {0, 1}
    assert len(list((output / "truth").iterdir())) == 2
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert f"{output} exists already" in again.stderr
