"""Placement of planes: properties that hold for any capture, and overrides."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from data.layouts import LAYOUTS, captured, write_llff
from normnex_pl.core.errors import UserError
from normnex_pl.core.types import Scene
from normnex_pl.data.photos.intrinsics import CameraIntrinsics
from normnex_pl.data.photos.posed import PosedPhotos, name_views
from normnex_pl.data.planes.automatic import AutomaticPlanes, canvas_of
from normnex_pl.data.planes.choice import PlaneChoice, PlaneOverrides, scale_padding, unscale_padding
from normnex_pl.data.planes.content import seen_depths
from normnex_pl.data.planes.percentiles import Percentiles
from normnex_pl.data.planes.place import place_planes
from normnex_pl.data.planes.placement import PlanePlacement, PlanesFromBounds
from normnex_pl.data.planes.planes_file import planes_text, read_planes
from normnex_pl.data.planes.quantisation import PlaneQuantizer
from normnex_pl.data.readers.auto import AnyKind
from normnex_pl.data.scene.load import load_scene
from normnex_pl.data.scene.normalise import keep_seen_points
from normnex_pl.geometry.planes import plane_depths

WIDTH, HEIGHT = 64, 48
RAYS = 10_000  # of a view
few = settings(max_examples=15, deadline=None)


def posed(names: Sequence[str], focal: tuple[float, float], **arrays: Any) -> PosedPhotos:
    """Return training views of one camera, as placements are given them."""
    intrinsics = CameraIntrinsics(float(WIDTH), float(HEIGHT), *focal, WIDTH / 2, HEIGHT / 2)
    views = PosedPhotos(
        kind="made up",
        root=Path("desk"),
        source=Path("desk"),
        files=tuple(Path(f"{name}.png") for name in names),
        intrinsics=(intrinsics,) * len(names),
        **arrays,
    )
    return name_views(views)


@dataclass(frozen=True)
class Recipe:
    """Recipe of forward-facing cameras, and of points whose depths follow some distribution."""

    seed: int
    count: int
    near: float
    ratio: float
    power: float
    focal: float

    def views(self, points: bool = True) -> PosedPhotos:
        rng = np.random.default_rng(self.seed)
        rotations = Rotation.from_rotvec(rng.normal(scale=0.06, size=(self.count, 3))).as_matrix()
        positions = rng.uniform(-1, 1, (self.count, 3)) * [0.5, 0.4, 0.05]
        depths = self.near * (1 + (self.ratio - 1) * rng.random(400) ** self.power)
        slopes = rng.uniform(-1, 1, (400, 2)) * [0.3, 0.25]
        views = posed(
            names=[f"view_{index}" for index in range(self.count)],
            focal=(self.focal, 1.1 * self.focal),
            c2w=np.concatenate([rotations, positions[:, :, None]], axis=2),
            bounds=np.tile([self.near, self.near * self.ratio], (self.count, 1)),
            points=np.concatenate([slopes * depths[:, None], depths[:, None]], axis=1) if points else None,
        )
        return keep_seen_points(views, tuple(range(self.count)))


captures = st.builds(
    Recipe,
    seed=st.integers(0, 10_000),
    count=st.integers(2, 9),
    near=st.floats(1.3, 3),
    ratio=st.floats(1.5, 40),
    power=st.floats(0.2, 4),
    focal=st.floats(50, 90),
)


def place(
    views: PosedPhotos, placement: PlanePlacement | None = None, **given: float | str | None
) -> PlaneChoice:
    """Place planes automatically, except for given values."""
    overrides = PlaneOverrides(**given)  # type: ignore[arg-type]
    return place_planes(views, placement or AutomaticPlanes(), {"data.planes": overrides})


def depths_of(views: PosedPhotos, choice: PlaneChoice) -> NDArray[np.float64]:
    """Return depths of the points in the frame of the chosen reference."""
    points = views.seen_from(choice.reference).points
    assert points is not None
    return points[:, 2]


def moved(views: PosedPhotos, rotation: NDArray[np.float64], shift: float, scale: float) -> PosedPhotos:
    """Return the same capture in another world."""
    assert views.points is not None
    rotations = rotation @ views.c2w[:, :, :3]
    positions = scale * (views.c2w[:, :, 3] + shift) @ rotation.T
    return replace(
        views,
        c2w=np.concatenate([rotations, positions[:, :, None]], axis=2),
        bounds=scale * views.bounds,
        points=scale * (views.points + shift) @ rotation.T,
    )


@few
@given(capture=captures)
def test_nearly_all_points_lie_between_the_planes(capture: Recipe) -> None:
    views = capture.views()
    choice = place(views)
    depths = depths_of(views, choice)
    assert ((depths >= choice.near) & (depths <= choice.far)).mean() >= 0.98
    # Nor is there much room that nothing is in.
    assert choice.near >= depths.min() / 1.1001
    assert choice.far <= depths.max() * 1.1001


@few
@given(
    capture=captures,
    turn=st.tuples(*[st.floats(-3, 3)] * 3),
    shift=st.floats(-5, 5),
    scale=st.floats(0.01, 100),
)
def test_planes_scale_with_the_world_and_do_not_care_where_it_is(
    capture: Recipe, turn: tuple[float, float, float], shift: float, scale: float
) -> None:
    views = capture.views()
    one = place(views)
    other = place(moved(views, Rotation.from_rotvec(turn).as_matrix(), shift, scale), reference=None)
    assert other.reference == one.reference
    np.testing.assert_allclose(other.spacing, scale * np.array(one.spacing), rtol=1e-6)
    np.testing.assert_allclose([other.near, other.far], [scale * one.near, scale * one.far], rtol=1e-6)
    assert abs(other.padding - one.padding) <= 1  # rounded up


@few
@given(capture=captures, seed=st.integers(0, 99))
def test_a_few_points_anywhere_do_not_move_the_planes(capture: Recipe, seed: int) -> None:
    """Add half of a percentile on one side: near and far stay within the inliers' own percentiles."""
    views = capture.views()
    assert views.points is not None
    rng = np.random.default_rng(seed)
    count = len(views.points) // 200
    reference = place(views).reference
    inliers = depths_of(views, place(views))
    for depth in (1e-3, 1e6):
        strays = rng.normal(size=(count, 3)) * 1e-4 + views.c2w[reference, :, 3]
        strays += depth * views.c2w[reference, :, 2]
        choice = place(
            replace(views, points=np.concatenate([views.points, strays])),
            reference=views.names[reference],
        )
        low, high = np.percentile(inliers, [2, 98])
        assert inliers.min() / 1.11 <= choice.near <= low / 1.1
        assert high * 1.1 <= choice.far <= inliers.max() * 1.11


@few
@given(capture=captures, coverage=st.floats(0.5, 1), seed=st.integers(0, 99))
def test_the_canvas_holds_the_stated_share_of_rays(capture: Recipe, coverage: float, seed: int) -> None:
    """Random pixels of all views: a share of at least .5 of 20,000 rays has a standard error below .0036."""
    views = capture.views()
    choice = place(views, AutomaticPlanes(coverage=coverage, largest_padding=100.0))
    framed = views.seen_from(choice.reference)
    canvas = canvas_of(framed, choice.reference, choice.near, choice.far, choice.spacing)
    depths = plane_depths(canvas, 40).double().numpy()[::5]
    rng = np.random.default_rng(seed)
    inside = []
    for K, c2w in zip(framed.K, framed.c2w, strict=True):
        pixels = np.concatenate([rng.uniform(0, [WIDTH, HEIGHT], (RAYS, 2)), np.ones((RAYS, 1))], axis=1)
        slopes = pixels @ np.linalg.inv(K).T @ c2w[:, :3].T
        slopes = slopes[:, None, :2] / slopes[:, None, 2:]
        # Where the rays meet the planes z = depth, and where the reference camera sees these points.
        places = c2w[:2, 3] + (depths - c2w[2, 3])[:, None] * slopes
        uv = [canvas.fx, canvas.fy] * places / depths[:, None] + [canvas.cx, canvas.cy]
        padded = np.array([WIDTH, HEIGHT]) + choice.padding
        inside.append(((uv >= -choice.padding) & (uv <= padded)).all(axis=-1).mean())
    assert np.mean(inside) >= coverage - 0.03


@few
@given(capture=captures, shares=st.lists(st.floats(0.1, 1), min_size=2, max_size=2).map(sorted))
def test_more_coverage_takes_no_less_padding(capture: Recipe, shares: list[float]) -> None:
    views = capture.views()
    reference = views.names[0]
    less, more = (place(views, AutomaticPlanes(coverage=s), reference=reference).padding for s in shares)
    assert less <= more


@few
@given(capture=captures, percentile=st.floats(0, 20))
def test_wider_percentiles_take_no_smaller_range(capture: Recipe, percentile: float) -> None:
    views = capture.views()
    reference = views.names[0]
    tight, wide = (
        place(views, AutomaticPlanes(Percentiles(low, 100 - low)), reference=reference)
        for low in (percentile, percentile / 2)
    )
    assert wide.near <= tight.near < tight.far <= wide.far


def mean_square_step(depths: NDArray[np.float64], planes: NDArray[np.float64]) -> float:
    """Return the mean over points of the squared disparity between the two planes around each."""
    behind = np.searchsorted(planes, depths)
    return float(np.square(1 / planes[behind - 1] - 1 / planes[behind]).mean())


@few
@given(capture=captures)
def test_no_uniform_spacing_is_finer_where_points_are(capture: Recipe) -> None:
    """Up to the limits and the smoothing, which are loosened here."""
    views = capture.views()
    choice = place(views, AutomaticPlanes(quantizer=PlaneQuantizer(widest=1e3, narrowest=1e-3, blur=0.01)))
    depths = depths_of(views, choice)
    depths = depths[(depths > choice.near) & (depths < choice.far)]
    geometry = canvas_of(views, 0, choice.near, choice.far, choice.spacing)
    found, *uniform = (
        mean_square_step(depths, plane_depths(replace(geometry, spacing=spacing), 1000).double().numpy())
        for spacing in (choice.spacing, "depth", "disparity")
    )
    assert found <= 1.05 * min(uniform)


@few
@given(capture=captures)
def test_without_points_and_photos_the_bounds_of_the_views_count(capture: Recipe) -> None:
    views = capture.views(points=False)
    choice = place(views)
    near, far = views.bounds[0]
    assert near - 0.2 <= choice.near <= near + 0.2
    assert far * 0.9 <= choice.far <= far * 1.1 + 0.2
    assert choice.spacing == "disparity"
    assert "no points" in choice.reasons.depths


def test_one_wrong_bound_of_many_does_not_move_the_planes() -> None:
    views = Recipe(seed=1, count=40, near=2.0, ratio=4.0, power=1.0, focal=60.0).views(points=False)
    broken = views.bounds.copy()
    broken[5] = [1e-4, 1e5]
    one, other = (place(v, reference="view_0") for v in (views, replace(views, bounds=broken)))
    np.testing.assert_allclose([one.near, one.far], [other.near, other.far], rtol=0.03)


@few
@given(capture=captures)
def test_what_is_given_is_taken_and_the_rest_reckons_with_it(capture: Recipe) -> None:
    views = capture.views()
    last = views.names[-1]
    choice = place(views, near=0.5, far=77.0, spacing="depth", reference=last)
    assert (views.names[choice.reference], choice.near, choice.far, choice.spacing) == (
        last,
        0.5,
        77,
        "depth",
    )
    assert choice.reasons.depths == choice.reasons.reference == "given in data.planes"
    framed = views.seen_from(choice.reference)
    expected, _ = AutomaticPlanes().padding(framed, choice.reference, 0.5, 77.0, "depth")
    assert choice.padding == expected
    assert place(views, padding=3).padding == 3


@pytest.mark.parametrize("placement", [AutomaticPlanes(), PlanesFromBounds()], ids=["chosen", "bounds"])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"near": 0.0}, r"desk: expected plane depths .* found near 0 \(given in data\.planes\) and far"),
        ({"near": 1e9}, r"found near 1e\+09 .* and far"),
        ({"far": math.inf}, r"far inf \(given"),
        ({"far": math.nan}, r"far nan \(given"),
        ({"padding": -1}, r"padding of 0 or more pixels, found -1"),
        ({"reference": "nobody"}, r"desk: expected the name of a training view, .* found 'nobody'"),
    ],
)
def test_what_is_impossible_is_refused(
    placement: PlanePlacement, given: dict[str, float | str | None], message: str
) -> None:
    for views in (captured_views(), replace(captured_views(), points=None)):
        with pytest.raises(UserError, match=message):
            place(views, placement, **given)


def test_the_strongest_of_what_is_given_wins() -> None:
    views = captured_views()
    given = {"first": PlaneOverrides(near=1.0), "second": PlaneOverrides(near=2.0, far=9.0)}
    choice = place_planes(views, PlanesFromBounds(), given)
    assert (choice.near, choice.far) == (1.0, 9.0)
    assert choice.reasons.depths == "near: given in first; far: given in second"


def test_what_masks_ignore_is_not_seen() -> None:
    views = captured_views()
    count, rng = len(views.names), np.random.default_rng(0)
    photos = torch.from_numpy(rng.integers(0, 256, (2, count, HEIGHT, WIDTH, 3), dtype=np.uint8))
    mask = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
    mask[:, : WIDTH // 2] = False
    same = torch.where(mask[..., None], photos[0], photos[1])
    found = [
        seen_depths(replace(views, images=tuple(images), masks=masks))
        for masks in ((mask,) * count, (None,) * count)
        for images in (photos[0], same)
    ]
    torch.testing.assert_close(found[0].weights, found[1].weights, rtol=0, atol=0)
    assert not torch.equal(found[2].weights, found[3].weights)


def captured_views() -> PosedPhotos:
    """Return the scene that the readers are tested with."""
    scene = captured()
    return posed(
        names=[name.removesuffix(".png") for name in scene.names],
        focal=(60.0, 60.0),
        c2w=scene.cameras.c2w,
        bounds=scene.cameras.bounds,
        points=scene.points,
    )


def test_views_that_face_away_do_not_make_the_canvas_endless() -> None:
    views = captured_views()
    c2w = views.c2w.copy()
    c2w[::2, :, [0, 2]] *= -1  # they look back
    choice = place(replace(views, c2w=c2w))
    assert choice.padding == 32
    assert "views face apart" in choice.reasons.padding


@pytest.mark.parametrize("options", [{"room": -1.0}, {"coverage": 0.0}, {"coverage": math.nan}])
def test_impossible_shares_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(UserError, match=r"data\.placement: expected .* found"):
        AutomaticPlanes(**options)  # type: ignore[arg-type]


def read(root: Path, placement: PlanePlacement | None = None) -> Scene:
    """Read a scene with planes that are chosen."""
    return load_scene(root, None, AnyKind(), placement or AutomaticPlanes())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_written_planes_are_read_back_exactly(tmp_path: Path, layout: str) -> None:
    root = LAYOUTS[layout](tmp_path, captured())
    chosen = read(root)
    text = planes_text(chosen)
    (root / "planes.txt").write_text(text)
    scene = read(root, PlanesFromBounds())
    one, other = asdict(chosen.geometry), asdict(scene.geometry)
    # In the files' units: without points, planes.txt is also what the world's unit comes from.
    for key in ("near", "far"):
        expected = one.pop(key) * chosen.planes_unit
        assert other.pop(key) * scene.planes_unit == pytest.approx(expected, rel=1e-12)
    listed = [found.pop("spacing") for found in (one, other)]
    if isinstance(listed[0], str):
        assert listed[0] == listed[1]
    else:
        units = [[chosen.planes_unit], [scene.planes_unit]]
        np.testing.assert_allclose(*(np.array(listed) * units), rtol=1e-12)
    assert other == one
    assert scene.reference == chosen.reference
    assert set(asdict(scene.reasons).values()) == {"given in planes.txt"}
    # As the NeX trainer reads the file.
    assert len([float(word) for word in text.splitlines()[0].split(" ")]) == 4
    assert all(line.startswith("#") for line in text.splitlines()[3:])


@given(padding=st.integers(0, 2000), width=st.integers(100, 8000))
def test_any_padding_is_written_so_that_it_is_read_back(padding: int, width: int) -> None:
    written = unscale_padding(padding, width)
    assert scale_padding(float(str(written)), width) == padding
    assert isinstance(written, int) or width > 1008  # whole pixels where they do it


def test_comments_may_stand_anywhere_in_the_planes_file(tmp_path: Path) -> None:
    (tmp_path / "planes.txt").write_text("# mine\n1.5 40 1 504\n# because\nnotes\nreference photo 7.x\n")
    expected = PlaneOverrides(near=1.5, far=40.0, spacing="disparity", padding=504, reference="photo 7.x")
    assert read_planes(tmp_path, 1008) == expected
    (tmp_path / "planes.txt").write_text("# mine alone\n")
    with pytest.raises(UserError, match=r"expected 'near far .* found ''"):
        read_planes(tmp_path, 1008)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("comment", ["", "  # near, far", "\t#uniform in disparity, 2 and 3"])
def test_planes_files_of_any_editor_are_read_or_told_apart(
    tmp_path: Path, encoding: str, end: str, comment: str
) -> None:
    text = f"1.5 40 1{comment}{end}reference Küche 7{end}"
    marked = encoding[-2:] not in ("le", "be")
    (tmp_path / "planes.txt").write_bytes(text.encode(encoding))
    if marked:
        expected = PlaneOverrides(near=1.5, far=40.0, spacing="disparity", reference="Küche 7")
        assert read_planes(tmp_path, 1008) == expected
        return
    with pytest.raises(UserError, match=r"planes\.txt: expected a text file, .*(UTF-16|codec)"):
        read_planes(tmp_path, 1008)


def test_lines_of_a_planes_file_that_say_nothing_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "planes.txt").write_text(
        "1.5 40\n\n# fine\nrefrence view_003\nreference\nreference\tview_004\n"
    )
    assert read_planes(tmp_path, 1008).reference == "view_004"
    assert "ignored the line 'refrence view_003'" in caplog.text
    assert "ignored the line 'reference'" in caplog.text
    assert len(caplog.records) == 2
    (tmp_path / "planes.txt").write_text("1.5 40\nreference view_003\nreference view_004\n")
    with pytest.raises(
        UserError, match=r"expected one line 'reference NAME', found 'view_003' and 'view_004'"
    ):
        read_planes(tmp_path, 1008)


def test_a_planes_file_may_list_depths(tmp_path: Path) -> None:
    (tmp_path / "planes.txt").write_text("2 8 1 100\ndepths 2 2.5 3 # near\ndepths 4.5 8\n")
    expected = PlaneOverrides(near=1.0, far=4.0, spacing=(1.0, 1.25, 1.5, 2.25, 4.0), padding=100)
    assert read_planes(tmp_path, 1008, unit=2.0) == expected
    # The first line may be rounded; the list counts.
    (tmp_path / "planes.txt").write_text("2 8\ndepths 2.0004 3 7.999\n")
    found = read_planes(tmp_path, 1008)
    assert (found.near, found.far) == (2.0004, 7.999)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("depths 2 3 3 8", r"planes\.txt, 'depths': expected two or more depths .* found 2, 3, 3, 8\."),
        ("depths 2", r"planes\.txt, 'depths': expected two or more depths .* found 2\."),
        ("depths 2 inf", r"expected two or more depths"),
        ("depths 2 nan 8", r"expected two or more depths"),
        ("depths 2 3 9", r"planes\.txt: expected 'depths' from near to far .* 2 to 8, found 2 to 9"),
        ("depths 2 three 8", r"planes\.txt: expected numbers after 'depths', found 'depths 2 three 8'"),
    ],
)
def test_lists_that_are_none_are_refused(tmp_path: Path, lines: str, message: str) -> None:
    (tmp_path / "planes.txt").write_text(f"2 8 1\n{lines}\n")
    with pytest.raises(UserError, match=message):
        read_planes(tmp_path, 1008)


def test_listed_depths_give_near_and_far_and_stand_alone() -> None:
    views, depths = captured_views(), (1.5, 2.0, 7.0)
    listed = {"planes.txt": PlaneOverrides(spacing=depths)}
    choice = place_planes(views, PlanesFromBounds(), listed)
    assert (choice.near, choice.far, choice.spacing) == (1.5, 7.0, depths)
    respaced = {"data.planes": PlaneOverrides(spacing="depth"), **listed}
    choice = place_planes(views, PlanesFromBounds(), respaced)
    assert (choice.near, choice.far, choice.spacing) == (1.5, 7.0, "depth")
    moved = {"data.planes": PlaneOverrides(far=9.0), **listed}
    with pytest.raises(UserError, match=r"desk: expected planes between .* 1\.5 and 7, found 1\.5 and 9 "):
        place_planes(views, PlanesFromBounds(), moved)
    with pytest.raises(UserError, match=r"planes\.near: expected that of the listed depths, 1\.5, found 1"):
        PlaneOverrides(near=1.0, spacing=depths)


@pytest.mark.parametrize("name", ["view_000", "nobody"])
def test_a_reference_must_be_a_training_view(tmp_path: Path, name: str) -> None:
    write_llff(tmp_path, captured())
    (tmp_path / "planes.txt").write_text(f"1.5 40\nreference {name}\n")
    with pytest.raises(UserError, match=rf"such as 'view_001', .* given in planes\.txt, found '{name}'"):
        read(tmp_path)


@pytest.mark.parametrize("layout", ["colmap binary", "colmap text", "nerfstudio"])
def test_points_come_into_the_world(tmp_path: Path, layout: str) -> None:
    scene = captured()
    loaded = read(LAYOUTS[layout](tmp_path, scene))
    assert loaded.points is not None
    matrix = loaded.source_from_world.double().numpy()
    found = loaded.points.double().numpy() @ matrix[:3, :3].T + matrix[:3, 3]
    np.testing.assert_allclose(found, scene.points, atol=1e-5)  # all are in some view's picture


@pytest.mark.parametrize("ending", [".bin", ".txt"])
def test_an_llff_scene_uses_the_points_beside_it(tmp_path: Path, ending: str) -> None:
    scene = captured()
    write_llff(tmp_path / "alone", scene)
    assert read(tmp_path / "alone").points is None
    layout = {".bin": "colmap binary", ".txt": "colmap text"}[ending]
    both = LAYOUTS[layout](tmp_path / "both", scene)
    by_colmap = read(both)
    write_llff(both, scene)
    loaded = read(both)
    assert loaded.kind == "LLFF"
    assert loaded.points is not None
    np.testing.assert_allclose(loaded.points, by_colmap.points, atol=1e-5)
    np.testing.assert_allclose(loaded.geometry.far, by_colmap.geometry.far, rtol=1e-5)


def test_points_of_another_world_or_damaged_ones_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scene = captured()
    root = LAYOUTS["colmap binary"](tmp_path, replace(scene, points=scene.points[:, [2, 1, 0]] * 3))
    write_llff(root, scene)
    assert read(root).points is None
    assert "of another reconstruction" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        (root / "sparse/0/points3D.bin").write_bytes(b"\1")
        assert read(root).points is None
    assert "points are not used" in caplog.text


def test_planes_of_a_real_scene_hold_its_points_and_photos(fern: Path) -> None:
    scene = load_scene(fern, 252, AnyKind(), AutomaticPlanes())
    assert scene.points is not None
    inside = (scene.points[:, 2] > scene.geometry.near) & (scene.points[:, 2] < scene.geometry.far)
    assert len(inside) == 10091
    assert inside.double().mean() > 0.98
    assert len(scene.geometry.spacing) == 65
    assert 20 < scene.geometry.padding < 60
