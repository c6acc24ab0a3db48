"""Reports of ``normnex inspect`` about good and bad scenes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.spatial.transform import Rotation

from cli.helpers import configs, failure
from data.layouts import LAYOUTS, Captured, captured, write_llff
from normnex_pl.cli.inspect_report import report
from normnex_pl.cli.inspect_training import ConfiguredTraining
from normnex_pl.cli.main import main
from normnex_pl.core.types import Scene
from normnex_pl.data.planes.automatic import AutomaticPlanes
from normnex_pl.data.readers.auto import AnyKind
from normnex_pl.data.scene.load import load_scene
from normnex_pl.data.survey.diagnosis import diagnose
from normnex_pl.data.survey.diagram import write_diagram
from normnex_pl.data.survey.survey import Survey, largest_angle, survey

PLANES = 64


def wide(count: int = 25, size: float = 1.0) -> Captured:
    """Return cameras and points of a scene with which nothing is wrong, for photos of 64 x 48 pixels."""
    scene = captured(count)
    rng = np.random.default_rng(0)
    c2w = scene.cameras.c2w.copy()
    c2w[:, :, :3] = np.eye(3)
    c2w[:, :, 3] = rng.uniform(-1, 1, (count, 3)) * [0.5 * size, 0.4 * size, 0.02 * size]
    points = rng.uniform([-0.4, -0.3, 3], [0.4, 0.3, 9], (300, 3))
    bounds = np.tile([2.9, 9.1], (count, 1))
    return Captured(replace(scene.cameras, c2w=c2w, bounds=bounds), points)


def looked_at(root: Path, scene: Captured, **changes: Any) -> Survey:
    """Return the survey of a scene on disk, whose photos are grey."""
    write_llff(root, scene)
    for name in scene.names:
        Image.new("RGB", (64, 48), (120, 120, 120)).save(root / "images" / name)
    return survey(load_scene(root, None, AnyKind(), **changes), PLANES)


def turned(scene: Captured, index: int, degrees: float) -> Captured:
    """Turn one camera aside."""
    c2w = scene.cameras.c2w.copy()
    rotation = Rotation.from_rotvec([0, math.radians(degrees), 0]).as_matrix()
    c2w[index, :, :3] = c2w[index, :, :3] @ rotation
    return replace(scene, cameras=replace(scene.cameras, c2w=c2w))


def test_nothing_speaks_against_a_good_scene(tmp_path: Path) -> None:
    assert diagnose(looked_at(tmp_path, wide())) == []


def test_few_views_are_said(tmp_path: Path) -> None:
    [found] = diagnose(looked_at(tmp_path, wide(9)))
    assert "7 training views are few" in found


def test_a_view_that_faces_aside_is_named(tmp_path: Path) -> None:
    found = diagnose(looked_at(tmp_path, turned(wide(), 3, 40)))
    assert any("view_003 look more than 30 degrees" in text for text in found)
    assert any("view_003 see lies outside of the canvas" in text for text in found)


def test_cameras_around_an_object_are_said(tmp_path: Path) -> None:
    scene = wide()
    c2w = scene.cameras.c2w.copy()
    for index, angle in enumerate(np.linspace(-math.pi / 4, math.pi / 4, len(c2w))):
        rotation = Rotation.from_rotvec([0, angle, 0]).as_matrix()
        c2w[index, :, :3] = rotation
        c2w[index, :, 3] = np.array([0, 0, 5]) - 5 * rotation[:, 2]
    around = replace(scene, cameras=replace(scene.cameras, c2w=c2w))
    found = diagnose(looked_at(tmp_path, around))
    assert any("the cameras go around the scene" in text for text in found)


def test_too_little_and_too_much_parallax_are_said(tmp_path: Path) -> None:
    little = looked_at(tmp_path / "little", wide(size=0.1))
    assert any("pixels against the farthest between" in text for text in diagnose(little))
    much = looked_at(tmp_path / "much", wide(size=30.0))
    assert any("neighbouring planes are" in text for text in diagnose(much))
    far_apart = diagnose(replace(much, num_planes=int(much.neighbour_pixels) - 1))
    assert any("neighbouring cameras are far apart" in text for text in far_apart)


@pytest.mark.parametrize("place", [0, 31, 62])
@pytest.mark.parametrize(("step", "too_wide"), [(1.9, False), (2.1, True), (9.0, True)])
def test_planes_too_far_apart_are_said_where_something_is_seen(
    tmp_path: Path, place: int, step: float, too_wide: bool
) -> None:
    good = looked_at(tmp_path, wide())
    pixels = tuple(step if index == place else 1.0 for index in range(PLANES - 1))
    # Nothing is known about what is seen: the ends and the middle count.
    blind = replace(good, steps=replace(good.steps, pixels=pixels, seen=None))
    found = diagnose(blind)
    assert len(found) == too_wide
    assert all(f"neighbouring planes are {step} pixels apart" in text for text in found)
    assert not too_wide or "Nothing speaks against" not in report(blind, found, None)
    for share in (0.04, 0.06, 0.5):
        rest = (1 - share) / (PLANES - 2)
        seen = tuple(share if index == place else rest for index in range(PLANES - 1))
        found = diagnose(replace(good, steps=replace(good.steps, pixels=pixels, seen=seen)))
        assert len(found) == (too_wide and share > 0.05)
        expected = f"{share:.0%} of what the views see lies between neighbouring planes that are more than 2"
        assert all(expected in text for text in found)


def test_steps_are_weighed_by_what_is_seen_between_the_planes(tmp_path: Path) -> None:
    """Count the points between planes by hand; without photos all have the same contrast."""
    write_llff(tmp_path, wide())
    scene = load_scene(LAYOUTS["colmap binary"](tmp_path, wide()), None, AnyKind(), AutomaticPlanes())
    assert scene.seen is not None
    steps = survey(scene, PLANES).steps
    assert steps.seen is not None
    assert sum(steps.seen) == pytest.approx(1)
    depths, weights = scene.seen.depths.double().numpy(), scene.seen.weights.double().numpy()
    behind = np.searchsorted(steps.depths, depths)
    inside = (behind > 0) & (behind < PLANES)
    own = np.array(steps.pixels)[behind[inside] - 1]
    for limit in (0.5 * steps.pixels[0], np.median(own), steps.pixels[0]):
        expected = weights[inside][own > limit].sum() / weights[inside].sum()
        assert steps.wider_than(float(limit)) == pytest.approx(expected, abs=1e-5)
    assert steps.typical is not None
    assert steps.wider_than(steps.typical) <= 0.5 <= steps.wider_than(0.999 * steps.typical)  # type: ignore[operator]


def test_planes_that_were_respaced_by_hand_are_said_with_what_helps(tmp_path: Path) -> None:
    """Bounds from 1 to 9 put planes that are uniform in depth far apart near the cameras, seen from aside."""
    scene = wide(size=2)
    near = replace(scene, cameras=replace(scene.cameras, bounds=np.tile([1.0, 9.0], (25, 1))))
    measured = looked_at(tmp_path, near)
    assert measured.points is None
    assert measured.spacing == "depth"
    assert measured.steps.ends[0] > 2 > measured.steps.ends[1]
    [said] = [text for text in diagnose(measured) if "neighbouring planes are" in text]
    assert "let them be placed where the views see most" in said


def test_a_view_whose_rays_miss_the_last_plane_is_named(tmp_path: Path) -> None:
    good = looked_at(tmp_path, wide())
    views = tuple(replace(view, nothing_behind=0.2 * (view.name == "view_007")) for view in good.views)
    [found] = diagnose(replace(good, views=views))
    assert "more than 10% of the rays of view_007 miss the canvas of the last plane" in found


def test_a_photo_of_another_exposure_is_named(tmp_path: Path) -> None:
    scene = wide()
    write_llff(tmp_path, scene)
    for index, name in enumerate(scene.names):
        grey = 60 if index == 4 else 120
        Image.new("RGB", (64, 48), (grey, grey, grey)).save(tmp_path / "images" / name)
    loaded = load_scene(tmp_path, None, AnyKind())
    [found] = diagnose(survey(loaded, PLANES))
    assert found.startswith("view_004 are much brighter or darker")


def test_planes_that_miss_the_points_are_said(tmp_path: Path) -> None:
    root = LAYOUTS["colmap binary"](tmp_path, wide())
    (root / "planes.txt").write_text("2.9 5\n")
    scene = load_scene(root, None, AnyKind())
    assert any(
        "of the points lie between the first and the last plane" in t for t in diagnose(survey(scene, 9))
    )


def test_a_camera_behind_the_first_plane_is_named(tmp_path: Path) -> None:
    scene = wide()
    c2w = scene.cameras.c2w.copy()
    c2w[5, 2, 3] = 4
    found = diagnose(looked_at(tmp_path, replace(scene, cameras=replace(scene.cameras, c2w=c2w))))
    assert any("view_005 stand behind the first plane" in text for text in found)


def test_parallax_is_what_projecting_shows(tmp_path: Path) -> None:
    """Two points on the reference's axis, on the first and the last plane, seen from the outermost camera."""
    scene = loaded(tmp_path, wide())
    measured = survey(scene, PLANES)
    shifts = []
    for index in scene.train:
        camera = scene.views[index].camera
        pixels = []
        for depth in (scene.geometry.near, scene.geometry.far):
            in_camera = camera.c2w[:, :3].T @ (torch.tensor([0, 0, depth]) - camera.c2w[:, 3])
            u, v, w = (camera.K @ in_camera).tolist()
            pixels.append((u / w, v / w))
        shifts.append(math.dist(*pixels))
    assert measured.range_pixels == pytest.approx(max(shifts), rel=0.1)  # these cameras aren't in one plane
    step = measured.range_pixels / (PLANES - 1)
    near, middle, far = measured.steps.ends
    assert near > step > far
    assert near > middle > far


def loaded(root: Path, scene: Captured) -> Scene:
    write_llff(root, scene)
    return load_scene(root, None, AnyKind())


def test_the_largest_angle_is_the_one_between_the_outer_cameras() -> None:
    centres = torch.tensor([[-1.0, 0, 0], [0.2, 0.1, 0], [1, 0, 0]], dtype=torch.float64)
    assert largest_angle(centres, torch.tensor([0, 0, 1.0], dtype=torch.float64)) == pytest.approx(90)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_kind_of_scene_is_told_in_words(tmp_path: Path, layout: str) -> None:
    root = LAYOUTS[layout](tmp_path / "desk", captured())
    measured = survey(load_scene(root, None, AnyKind(), AutomaticPlanes()), PLANES)
    text = report(measured, diagnose(measured), None)
    kind = {"llff": "LLFF", "shiny": "LLFF", "spaces": "Spaces", "nerfstudio": "nerfstudio"}
    assert f"desk: {kind.get(layout, 'COLMAP')} scene, 9 photos of 16x12" in text
    assert "held out    2 views: view_000, view_008" in text
    assert "Warnings\n  - 7 training views are few" in text
    assert max(map(len, text.splitlines())) <= 100


def test_the_command_prints_and_draws_and_leaves_the_scene_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = LAYOUTS["colmap text"](tmp_path / "desk", captured())
    before = sorted(root.rglob("*"))
    main(["inspect", str(root), f"--out={tmp_path / 'desk.png'}"])
    text = capsys.readouterr().out
    assert text.startswith("desk: COLMAP scene")
    with Image.open(tmp_path / "desk.png") as picture:
        assert len(np.unique(np.asarray(picture).reshape(-1, 4), axis=0)) > 50
    assert sorted(root.rglob("*")) == before


def test_a_training_s_configuration_gives_planes_and_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_llff(tmp_path / "desk", captured())
    words = [str(root), f"--out={tmp_path / 'desk.png'}", *configs(), "--data.rays_per_step=300"]
    main(["inspect", *words])
    text = capsys.readouterr().out
    assert "Planes (32 of them)" in text
    assert "GiB: " in text
    main(["inspect", *words, "--json", "--num_planes=9", "--data.planes.padding=5"])
    content = json.loads(capsys.readouterr().out)
    assert (content["num_planes"], content["padding"]) == (9, 5)
    assert content["reasons"]["padding"] == "given in data.planes"
    assert content["memory"]["total"] > content["memory"]["parameters"] > 0
    assert [view["name"] for view in content["views"] if view["held_out"]] == ["view_000", "view_008"]
    assert len(content["warnings"]) >= 1


@pytest.mark.parametrize(
    "name", ["IMG $\\frac{1$ _{", "写" * 80, "a" * 250, "$", "back\\$slash", "two\nlines"]
)
def test_names_are_drawn_whatever_they_contain(tmp_path: Path, name: str) -> None:
    scene = loaded(tmp_path / "scene", captured(6))
    views = tuple(replace(view, name=f"{name}{number}") for number, view in enumerate(scene.views))
    named = replace(scene, name=name, views=views)
    write_diagram(tmp_path / "picture.png", named, survey(named, 8).steps)
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.width > 1000


def test_planes_are_written_only_when_asked_for_and_never_over_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_llff(tmp_path / "desk", captured())
    picture = f"--out={tmp_path / 'desk.png'}"
    main(["inspect", str(root), picture, "--json"])
    before = json.loads(capsys.readouterr().out)
    main(["inspect", str(root), picture, "--write_planes"])
    assert f"Planes, to be changed by hand: {root / 'planes.txt'}" in capsys.readouterr().out
    text = (root / "planes.txt").read_text()
    assert f"# padding: {before['reasons']['padding']}" in text
    message = failure(capsys, "inspect", str(root), picture, "--write_planes")
    assert "expected no such file" in message
    assert (root / "planes.txt").read_text() == text
    main(["inspect", str(root), picture, "--json"])
    after = json.loads(capsys.readouterr().out)
    keys = ("near", "far", "spacing", "padding", "reference")
    assert [after[key] for key in keys] == [before[key] for key in keys]
    assert set(after["reasons"].values()) == {"given in planes.txt"}


@pytest.mark.parametrize(
    ("model", "planes"), [("{num_layers: 32}", 384), ("{sublayers: 6}", 96), ("{}", 192), (None, 192)]
)
def test_planes_are_those_of_the_training_whatever_is_configured(
    tmp_path: Path, model: str | None, planes: int
) -> None:
    root = write_llff(tmp_path / "desk", captured())
    part = tmp_path / "part.yaml"
    part.write_text(f"data: {{width: 64}}\n{f'model: {model}' if model else ''}\n")
    assert ConfiguredTraining.of(root, [part], []).num_planes(None) == planes


def test_memory_that_cannot_be_counted_is_left_out(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("it looks at\nwhat tensors hold")

    root = write_llff(tmp_path / "desk", captured())
    monkeypatch.setattr("normnex_pl.cli.inspect.estimate_training", refuse)
    main(["inspect", str(root), *configs(), f"--out={tmp_path / 'x.png'}", "--json"])
    assert json.loads(capsys.readouterr().out)["memory"] is None
    assert "Memory: not counted (RuntimeError: it looks at what tensors hold)" in caplog.text


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        (lambda root: [], "required: SCENE"),
        (lambda root: [str(root / "nowhere")], "found nothing there"),
        (lambda root: [str(root), "--num_planes=1"], "expected at least 2, found 1"),
        (lambda root: [str(root), "--num_planes=many"], "num_planes"),
        (lambda root: [str(root), "--planes=9"], "--planes=9"),
        (lambda root: [str(root), "--data.planes.reference=nobody"], "found 'nobody'"),
        (lambda root: [str(root), "-c", str(root / "none.yaml")], "none.yaml"),
        (lambda root: [str(root), "--out=/proc/nothing/x.png"], "/proc/nothing/x.png"),
    ],
    ids=["nothing", "no scene", "one plane", "text", "unknown", "reference", "configuration", "picture"],
)
def test_bad_arguments_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: Callable[[Path], list[str]], fragment: str
) -> None:
    root = write_llff(tmp_path / "desk", captured())
    assert fragment in failure(capsys, "inspect", *words(root))


def test_every_number_of_a_survey_is_finite(tmp_path: Path) -> None:
    measured = asdict(looked_at(tmp_path, wide()))
    json.dumps(measured, allow_nan=False)
