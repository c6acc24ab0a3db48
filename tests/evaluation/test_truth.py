"""Scores against the truth: closed forms, oracles in float64, the shipped files, and bad ones."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor

from normnex_pl.core.errors import UserError
from normnex_pl.core.truth import ViewTruth
from normnex_pl.core.types import Camera, View
from normnex_pl.data.truth import LABELS, read_truth
from normnex_pl.evaluation.report import report
from normnex_pl.evaluation.summary import mean_of
from normnex_pl.evaluation.truth_scores import (
    HIGHLIGHT_THRESHOLD,
    angles_deg,
    darkest_photos_psnr,
    highlight_mask,
    masked_psnr,
    normal_scores,
    rotate_to_camera,
    truth_scores,
    viewdir_normals,
)
from normnex_pl.geometry.cameras import image_rays
from support.small import few, moved, numpy64, reference_camera

HELD_OUT = ("view_000", "view_008", "view_016", "view_024")
WIDTH, HEIGHT = 504, 378
SMALL = (12, 16)  # height and width of the reference camera of the tests

Array = NDArray[np.float64]


def unit(vectors: Array) -> Array:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def directions(count: int) -> st.SearchStrategy[Array]:
    """Return unit vectors in float64."""
    numbers = hnp.arrays(np.float64, (count, 3), elements=st.floats(-1, 1, width=32))
    return numbers.filter(lambda v: bool((np.linalg.norm(v, axis=-1) > 0.1).all())).map(unit)


def rotations() -> st.SearchStrategy[Array]:
    angles = st.floats(-math.pi, math.pi)
    return st.tuples(angles, angles, angles).map(lambda v: Rotation.from_rotvec(v).as_matrix())


def turned(rotation: Array) -> Camera:
    """Return the reference camera of the tests, turned."""
    camera = reference_camera()
    c2w = torch.cat([torch.from_numpy(rotation).float(), torch.tensor([[0.1], [-0.2], [0.3]])], dim=1)
    return Camera(camera.K, c2w, camera.width, camera.height)


def make_truth(normals: Tensor, labels: Tensor | None = None) -> ViewTruth:
    """Return the truth of any normals; a grey wall without highlights, unless labels say otherwise."""
    size = normals.shape[:2]
    return ViewTruth(
        normals=normals.float(),
        depth=torch.ones(size),
        diffuse=torch.full((*size, 3), 0.5),
        specular=torch.zeros((*size, 3)),
        mask=torch.zeros(size, dtype=torch.uint8) if labels is None else labels.to(torch.uint8),
    )


def random_normals(seed: int = 0, size: tuple[int, int] = SMALL) -> Tensor:
    return torch.from_numpy(unit(np.random.default_rng(seed).normal(size=(*size, 3)))).float()


def four_regions() -> Tensor:
    """Return the labels of a view that shows all of them, in bands."""
    return (torch.arange(SMALL[0]) % 4)[:, None].expand(SMALL)


def rendering(truth: ViewTruth, **more: Tensor) -> dict[str, Tensor]:
    """Return a rendering that is right about everything but specular highlights."""
    return {"rgb": truth.diffuse, "diffuse": truth.diffuse, "acc": torch.ones(truth.mask.shape), **more}


def view_of(camera: Camera, grey: int = 128) -> View:
    photo = torch.full((camera.height, camera.width, 3), grey, dtype=torch.uint8)
    return View("view", camera, photo)


@few
@given(directions(50), directions(50))
def test_angles_agree_with_the_arc_cosine_in_float64(a: Array, b: Array) -> None:
    expected = np.degrees(np.arccos(np.clip((a * b).sum(axis=-1), -1, 1)))
    angles = numpy64(angles_deg(torch.from_numpy(a).float(), torch.from_numpy(b).float()))
    np.testing.assert_allclose(angles, expected, atol=2e-5)


@pytest.mark.parametrize("degrees", [0.0, 1e-3, 0.01, 89.9, 179.99, 180.0])
def test_angles_in_float32_are_accurate_to_both_ends(degrees: float) -> None:
    angle = math.radians(degrees)
    a, b = torch.tensor([1.0, 0, 0]), torch.tensor([math.cos(angle), math.sin(angle), 0])
    assert angles_deg(a, b).item() == pytest.approx(degrees, abs=2e-5)


@few
@given(directions(1))
def test_a_missing_normal_is_90_degrees_off(direction: Array) -> None:
    angle = angles_deg(torch.zeros(1, 3), torch.from_numpy(direction).float())
    assert angle.item() == pytest.approx(90, abs=1e-4)


@few
@given(rotations(), st.integers(0, 1000))
def test_rotating_both_leaves_angles_as_they_are(rotation: Array, seed: int) -> None:
    a, b, camera = random_normals(seed), random_normals(seed + 1), turned(rotation)
    rotated = angles_deg(rotate_to_camera(a, camera), rotate_to_camera(b, camera))
    np.testing.assert_allclose(rotated, angles_deg(a, b), atol=1e-4)


@few
@given(rotations())
def test_vectors_are_turned_into_the_axes_of_the_camera(rotation: Array) -> None:
    normals = random_normals()
    expected = numpy64(normals) @ rotation  # rows: n^T R = (R^T n)^T
    np.testing.assert_allclose(rotate_to_camera(normals, turned(rotation)), expected, atol=1e-6)
    along = torch.from_numpy(rotation[:, 2]).float().expand(*SMALL, 3)  # the camera's z axis in the world
    facing = torch.tensor([0.0, 0, 1]).expand(*SMALL, 3)
    np.testing.assert_allclose(rotate_to_camera(along, turned(rotation)), facing, atol=1e-6)


def test_weighted_statistics_by_hand() -> None:
    """Four pixels, 0, 20, 60 and 90 degrees off, of weights 1, 2, 1 and 0."""
    angles = torch.deg2rad(torch.tensor([[60.0, 0, 90, 20]]))
    weights = torch.tensor([[1.0, 1, 0, 2]])
    normals = torch.stack([angles.sin(), torch.zeros(1, 4), -angles.cos()], dim=-1)
    truth = make_truth(torch.tensor([0.0, 0, -1]).expand(1, 4, 3))
    scores = normal_scores(normals, truth, weights)
    assert scores["all"] == pytest.approx(
        {"mean": 25, "median": 20, "under_11.25": 0.25, "under_22.5": 0.75, "under_30": 0.75}, abs=1e-4
    )
    assert scores["wall"] == scores["all"]
    assert scores["objects"] is scores["mirror"] is scores["table"] is None


def test_scores_of_a_region_see_its_pixels_alone() -> None:
    normals, labels = random_normals(), four_regions()
    wrong = normals.clone()
    wrong[labels == LABELS["glossy"]] *= -1
    scores = normal_scores(wrong, make_truth(normals, labels), torch.ones(SMALL))
    means = {region: values and values["mean"] for region, values in scores.items()}
    expected = {"all": 45, "objects": 180, "mirror": 0, "table": 0, "wall": 0}
    assert means == pytest.approx(expected, abs=1e-4)


@few
@given(st.floats(0.01, 1), st.integers(0, 1000))
def test_a_common_factor_of_the_weights_changes_nothing(factor: float, seed: int) -> None:
    truth, weights = make_truth(random_normals(seed)), torch.rand(SMALL)
    before = normal_scores(random_normals(seed + 1), truth, weights)["all"]
    assert normal_scores(random_normals(seed + 1), truth, factor * weights)["all"] == pytest.approx(
        before, rel=1e-4
    )


def test_where_nothing_is_covered_there_is_no_score() -> None:
    scores = normal_scores(random_normals(), make_truth(random_normals()), torch.zeros(SMALL))
    assert set(scores.values()) == {None}


def test_the_constant_is_right_about_a_wall_that_faces_the_reference_camera() -> None:
    rotation = Rotation.from_rotvec([0.2, -0.3, 0.1]).as_matrix()
    camera = turned(rotation)
    seen = torch.from_numpy(rotation.T @ [0, 0, -1]).float().expand(*SMALL, 3)
    scores = truth_scores(rendering(make_truth(seen)), view_of(camera), make_truth(seen))
    assert scores["normals_constant"]["wall"]["mean"] == pytest.approx(0, abs=1e-4)
    assert scores["normals_constant"]["wall"]["under_11.25"] == 1
    assert scores["normals_viewdir"]["wall"]["mean"] > 5
    assert scores["normals"] is scores["target_normals"] is None


@few
@given(rotations())
def test_directions_to_the_camera_are_right_inside_a_sphere_around_it(rotation: Array) -> None:
    camera = turned(rotation)
    u, v = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    K = numpy64(camera.K)
    through = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones_like(u)], axis=-1)
    truth = make_truth(torch.from_numpy(-unit(through)))
    scores = truth_scores(rendering(truth), view_of(camera), truth)
    assert scores["normals_viewdir"]["all"]["mean"] == pytest.approx(0, abs=1e-4)
    assert scores["normals_constant"]["all"]["mean"] > 1


def test_directions_to_the_camera_face_it() -> None:
    camera = moved(reference_camera(), x=0.4)
    cosines = (viewdir_normals(camera) * image_rays(camera).viewdirs).sum(dim=-1)
    np.testing.assert_allclose(cosines, -1, atol=1e-6)


def test_what_a_mask_ignores_is_not_scored_against_the_truth() -> None:
    truth = make_truth(random_normals(), four_regions())
    truth.specular[:] = 2 * HIGHLIGHT_THRESHOLD
    ignored = torch.zeros(SMALL, dtype=torch.bool)
    ignored[:, 2:5] = True
    view = replace(view_of(turned(np.eye(3))), mask=~ignored)
    right = rendering(truth, normals=truth.normals) | {"rgb": view.rgb}
    wrong = {
        name: torch.where(ignored[..., None], -right[name], right[name])
        for name in ("rgb", "diffuse", "normals")
    }
    scores = truth_scores(right | wrong, view, truth)
    assert all(scores[name] == pytest.approx(100) for name in ("diffuse_psnr", "diffuse_psnr_lobe"))
    assert scores["highlight_psnr"] == pytest.approx(100)
    assert scores["normals"]["all"]["mean"] == pytest.approx(0, abs=1e-3)
    everything = truth_scores(right | wrong, replace(view, mask=None), truth)
    assert everything["diffuse_psnr"] < 20
    assert everything["normals"]["all"]["mean"] > 20


@few
@given(rotations(), st.sampled_from(["normals", "target_normals"]))
def test_normals_of_the_world_are_scored_in_the_axes_of_the_view(rotation: Array, key: str) -> None:
    seen = random_normals()
    world = torch.from_numpy(numpy64(seen) @ rotation.T).float()
    truth = make_truth(seen, four_regions())
    scores = truth_scores(rendering(truth, **{key: world}), view_of(turned(rotation)), truth)
    for region in ("all", "objects", "mirror", "table", "wall"):
        assert scores[key][region]["mean"] == pytest.approx(0, abs=1e-3)
        assert scores[key][region]["under_11.25"] == 1
    assert scores["target_normals" if key == "normals" else "normals"] is None


def test_psnr_of_a_mask_by_hand() -> None:
    truth = torch.zeros(1, 3, 3)
    image = torch.tensor([0.1, 0.3, 0.9])[None, :, None].expand(1, 3, 3)
    mask = torch.tensor([[True, True, False]])
    expected = -10 * math.log10((0.1**2 + 0.3**2) / 2)
    assert masked_psnr(image, truth, mask) == pytest.approx(expected, abs=1e-4)
    assert masked_psnr(image + 5, truth, mask) == pytest.approx(0, abs=1e-4)  # colours end at 1
    assert masked_psnr(truth, truth, mask) == pytest.approx(100)
    assert masked_psnr(image, truth, torch.zeros_like(mask)) is None


def test_the_diffuse_part_is_scored_everywhere_and_where_there_is_one() -> None:
    truth = make_truth(random_normals(), four_regions())
    truth.diffuse[truth.mask == LABELS["mirror"]] = 0
    diffuse = truth.diffuse.clone()
    diffuse[truth.mask == LABELS["glossy"]] += 0.1
    diffuse[truth.mask == LABELS["mirror"]] += 0.3
    scores = truth_scores(rendering(truth) | {"diffuse": diffuse}, view_of(reference_camera()), truth)
    assert scores["diffuse_psnr"] == pytest.approx(-10 * math.log10((0.1**2 + 0.3**2) / 4), abs=1e-3)
    assert scores["diffuse_psnr_lobe"] == pytest.approx(-10 * math.log10(0.1**2 / 3), abs=1e-3)
    photo = view_of(reference_camera()).rgb
    lobe = truth.mask != LABELS["mirror"]
    assert scores["photo_diffuse_psnr_lobe"] == pytest.approx(masked_psnr(photo, truth.diffuse, lobe))
    assert scores["highlight_psnr"] is None


def test_the_darkest_photo_of_a_point_bounds_its_diffuse_part() -> None:
    truth = make_truth(random_normals(), four_regions())
    truth.diffuse[truth.mask == LABELS["mirror"]] = 0  # no diffuse part, not scored
    here = view_of(reference_camera())
    photos = [view_of(reference_camera(), shade) for shade in (200, 128, 250)]
    best = darkest_photos_psnr(photos, here, truth, 3.0)
    assert best == pytest.approx(-20 * math.log10(128 / 255 - 0.5), abs=0.01)
    second = darkest_photos_psnr([photos[0], photos[2]], here, truth, 3.0)
    assert second == pytest.approx(-20 * math.log10(200 / 255 - 0.5), abs=0.01)
    black = replace(truth, diffuse=torch.zeros_like(truth.diffuse))
    assert darkest_photos_psnr(photos, here, black, 3.0) is None


def test_highlights_are_scored_by_the_whole_colour_against_the_photo() -> None:
    truth = make_truth(random_normals())
    specular = truth.specular.clone()
    specular[0, :4] = torch.tensor([1.5, 1.5, 0.3]) * HIGHLIGHT_THRESHOLD  # a mean of 1.1 times as much
    specular[1] = torch.tensor([2.4, 0.3, 0]) * HIGHLIGHT_THRESHOLD  # 0.9 times
    truth = replace(truth, specular=specular)
    assert highlight_mask(truth).nonzero().tolist() == [[0, column] for column in range(4)]
    rgb = torch.zeros(*SMALL, 3)
    rgb[0, :4] = 153 / 255 + 0.05
    scores = truth_scores(rendering(truth) | {"rgb": rgb}, view_of(reference_camera(), 153), truth)
    assert scores["highlight_psnr"] == pytest.approx(-20 * math.log10(0.05), abs=1e-3)


@pytest.mark.parametrize("name", HELD_OUT)
def test_the_shipped_truths_are_read_as_their_readme_says(demo_scene: Path, name: str) -> None:
    truth = read_truth(demo_scene, name, HEIGHT, WIDTH)
    assert truth is not None
    with np.load(demo_scene / "truth" / f"{name}.npz", allow_pickle=False) as stored:
        np.testing.assert_allclose(truth.normals, stored["normals"], atol=2e-3)
        np.testing.assert_array_equal(truth.depth, stored["depth"])
        np.testing.assert_allclose(truth.diffuse * 255, stored["diffuse"], atol=1e-4)
        np.testing.assert_allclose(truth.specular * 255, stored["specular"], atol=1e-4)
        np.testing.assert_array_equal(truth.mask, stored["mask"])
    np.testing.assert_allclose(truth.normals.norm(dim=-1), 1, atol=1e-6)


@pytest.mark.parametrize("name", HELD_OUT)
def test_highlights_of_the_shipped_scene_are_a_few_percent_of_glossy_surfaces(
    demo_scene: Path, name: str
) -> None:
    truth = read_truth(demo_scene, name, HEIGHT, WIDTH)
    assert truth is not None
    bright = highlight_mask(truth)
    shares = {key: (bright & (truth.mask == label)).float().mean().item() for key, label in LABELS.items()}
    assert 0.01 < shares["table"] < 0.05
    assert 0.02 < shares["glossy"] < 0.06
    assert 0.04 < shares["mirror"] < 0.07
    assert shares["wall"] < 0.001


def test_a_scene_without_truth_is_complete(tmp_path: Path) -> None:
    assert read_truth(tmp_path, "view_000", HEIGHT, WIDTH) is None


def test_truth_of_another_size_is_left_out_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a", "b"):
        write(tmp_path, good(), name)
    with caplog.at_level(logging.WARNING):
        assert read_truth(tmp_path, "a", 8, 10) is None
        assert read_truth(tmp_path, "b", 8, 10) is None
    [record] = caplog.records
    assert str(tmp_path / "truth") in record.message
    assert "of 10x8 pixels" in record.message
    assert "found 5x4" in record.message


def good() -> dict[str, NDArray[Any]]:
    """Return the arrays of a valid file, of 5 x 4 pixels."""
    return {
        "normals": np.tile(np.array([0, 0.6, -0.8], np.float16), (4, 5, 1)),
        "depth": np.full((4, 5), 2, np.float32),
        "diffuse": np.full((4, 5, 3), 51, np.uint8),
        "specular": np.full((4, 5, 3), -51, np.int16),
        "mask": np.full((4, 5), 3, np.uint8),
    }


def write(root: Path, arrays: dict[str, NDArray[Any]], name: str = "view") -> Path:
    path = root / "truth" / f"{name}.npz"
    path.parent.mkdir(exist_ok=True)
    np.savez_compressed(path, **arrays)  # which pickles objects
    return path


def refusal(root: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_truth(root, "view", 4, 5)
    message = str(caught.value)
    assert message.startswith(f"{root / 'truth' / 'view.npz'}: expected ")
    assert "to do without the scores" in message
    return message


def test_values_are_fractions_of_255(tmp_path: Path) -> None:
    write(tmp_path, good())
    truth = read_truth(tmp_path, "view", 4, 5)
    assert truth is not None
    assert truth.diffuse.unique().item() == pytest.approx(0.2)
    assert truth.specular.unique().item() == pytest.approx(-0.2)
    np.testing.assert_allclose(truth.normals[0, 0], [0, 0.6, -0.8], atol=1e-3)


def seen_through_glass() -> dict[str, NDArray[Any]]:
    """Return the arrays that a file has besides, if a pane of glass is in front."""
    return {
        "transmitted": np.full((4, 5, 3), 0.5, np.float16),
        "mirrored": np.full((4, 5, 3), 2.5, np.float16),
        "pane": np.eye(4, 5, dtype=np.uint8),
    }


def test_layers_of_a_pane_are_read_where_there_are_some(tmp_path: Path) -> None:
    write(tmp_path, good())
    plain = read_truth(tmp_path, "view", 4, 5)
    assert plain is not None
    assert plain.layers is None
    assert plain.to(torch.device("cpu")).layers is None
    write(tmp_path, good() | seen_through_glass())
    truth = read_truth(tmp_path, "view", 4, 5)
    assert truth is not None
    moved_layers = truth.to(torch.device("cpu")).layers
    assert moved_layers is not None
    for key, expected in seen_through_glass().items():
        np.testing.assert_array_equal(getattr(moved_layers, key), expected)


@pytest.mark.parametrize("key", seen_through_glass())
def test_a_layer_of_a_pane_never_comes_alone(tmp_path: Path, key: str) -> None:
    arrays = good() | seen_through_glass()
    del arrays[key]
    write(tmp_path, arrays)
    assert key in refusal(tmp_path).split(", found ")[0]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("transmitted", np.full((4, 5, 3), -1, np.float16), "in 'transmitted', found values from -1 to -1"),
        ("mirrored", np.full((4, 5, 3), np.nan, np.float16), "in 'mirrored', found values from nan to nan"),
        ("mirrored", np.ones((4, 5, 3), np.uint8), "'mirrored' as floating-point numbers"),
        ("transmitted", np.ones((4, 5), np.float16), "'transmitted' of the shape (4, 5, 3)"),
        ("pane", np.ones((4, 5, 3), np.uint8), "'pane' of the shape (4, 5)"),
        ("pane", np.full((4, 5), 2, np.uint8), "numbers up to 1 in 'pane', found 2"),
    ],
)
def test_what_no_layer_of_a_pane_can_be_is_refused(
    tmp_path: Path, key: str, value: NDArray[Any], message: str
) -> None:
    write(tmp_path, good() | seen_through_glass() | {key: value})
    assert message in refusal(tmp_path)


@pytest.mark.parametrize("key", good())
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    arrays = good()
    del arrays[key]
    write(tmp_path, arrays)
    expected, found = refusal(tmp_path).split(", found ")
    assert key in expected
    assert found.startswith(", ".join(sorted(arrays)) + ". ")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("normals", np.zeros((4, 5, 3), np.float16), "'normals' of length 1, found one of length 0"),
        ("normals", np.full((4, 5, 3), np.nan, np.float32), "'normals' of length 1, found one of length nan"),
        ("normals", np.zeros((4, 5, 3), np.int8), "'normals' as floating-point numbers, found the type int8"),
        ("normals", np.zeros((4, 5), np.float16), "'normals' of the shape (4, 5, 3)"),
        ("depth", np.zeros((4, 5), np.float32), "positive numbers in 'depth', found values from 0 to 0"),
        ("depth", np.full((4, 5), np.inf, np.float32), "found values from inf to inf"),
        ("depth", np.ones((5, 4), np.float32), "'depth' of the shape (4, 5), for a mask of height x width"),
        ("diffuse", np.ones((4, 5, 3), np.float32), "'diffuse' as unsigned bytes, found the type float32"),
        ("specular", np.ones((4, 6, 3), np.int16), "found (4, 6, 3) beside a mask of (4, 5)"),
        ("specular", np.full((4, 5, 3), -256, np.int16), "numbers up to 255 in 'specular', found 256"),
        ("mask", np.full((4, 5), 4, np.uint8), "numbers up to 3 in 'mask', found 4"),
        ("mask", np.full((4,), 1, np.uint8), "beside a mask of (4,)"),
        ("mask", np.array([[{}]], object), "found an empty, damaged, pickled or other file"),
    ],
)
def test_what_no_truth_can_be_is_refused(tmp_path: Path, key: str, value: NDArray[Any], message: str) -> None:
    write(tmp_path, good() | {key: value})
    assert message in refusal(tmp_path)


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "flipped", "array", "folder"])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: str) -> None:
    path = write(tmp_path, good())
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage == "array":
        with path.open("wb") as file:
            np.save(file, np.ones(3))
    else:
        middle = len(content) // 8
        flipped = content[:middle] + bytes(255 - byte for byte in content[middle : middle + 40])
        path.write_bytes(
            {
                "empty": b"",
                "text": b"not an archive",
                "cut": content[: len(content) // 2],
                "flipped": flipped + content[middle + 40 :],
            }[damage]
        )
    assert "expected a NumPy archive of arrays, found an empty, damaged" in refusal(tmp_path)


def test_a_mean_needs_all_views() -> None:
    views = [{"truth": {"a": {"b": 1.0}, "c": None}}, {"truth": {"a": {"b": 4.0}, "c": None}}]
    assert mean_of(views, ("truth", "a", "b")) == 2.5
    assert mean_of(views, ("truth", "c", "b")) is None
    assert mean_of([*views, {"truth": None}], ("truth", "a", "b")) is None
    assert mean_of([], ("truth",)) is None


def test_the_report_shows_the_truth_where_all_views_have_one() -> None:
    seen, labels = random_normals(), four_regions()
    truth = make_truth(seen, labels)
    flipped = seen.clone()
    flipped[labels == LABELS["table"]] *= -1
    camera = reference_camera()
    scores = truth_scores(rendering(truth, normals=flipped), view_of(camera), truth)
    view = {"name": "view", "psnr": 20.0, "ssim": 0.5, "lpips_vgg": None, "truth": scores}
    test = {"psnr": 20.0, "ssim": 0.5, "lpips_vgg": None, "diffuse_psnr": 31.254, "highlight_psnr": None}
    lines = report({"views": [view], "test": test}, [10.0]).splitlines()
    assert "against the truth: diffuse PSNR 31.25 dB, PSNR in highlights - dB" in lines
    rows = {line[:24].strip(): line[24:].split() for line in lines if not line.startswith("(")}
    assert rows["normal error, degrees"] == ["glossy", "mirror", "table", "wall"]
    assert rows["predicted"] == ["0.0", "0.0", "180.0", "0.0"]
    assert "constant (0, 0, -1)" in rows
    assert "towards the camera" in rows
    assert "estimated" not in rows
    without = report({"views": [view, view | {"truth": None}], "test": test}, [10.0, 10.0])
    assert "truth" not in without
