"""Points at which photos agree: against painted planes, and the truth about the demo scene."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import Scene
from normnex_pl.data.photos.intrinsics import CameraIntrinsics
from normnex_pl.data.photos.posed import PosedPhotos, name_views
from normnex_pl.data.planes.automatic import AutomaticPlanes
from normnex_pl.data.planes.content import seen_depths
from normnex_pl.data.planes.photo_points import PhotoAgreement, lowest_between
from normnex_pl.data.planes.place import place_planes
from normnex_pl.data.readers.auto import AnyKind
from normnex_pl.data.scene.load import load_scene
from normnex_pl.data.truth import read_truth
from normnex_pl.geometry.cameras import image_rays

WIDTH, HEIGHT, FOCAL = 64, 48, 53.0
Array = NDArray[np.float64]


def painted(depth: float, contrast: float = 0.4) -> PosedPhotos:
    """Return photos of a textured wall, taken side by side, whose texture is as coarse at any depth.

    Args:
        depth: Of the wall.
        contrast: Amplitude of the texture.
    """
    rng = np.random.default_rng(0)
    centres = np.array([[x, y, 0.0] for y in (-0.1, 0.1) for x in (-0.2, -0.1, 0.0, 0.1, 0.2)])
    waves = rng.normal(size=(24, 2)) * 9
    phases = rng.uniform(0, 2 * np.pi, 24)
    u, v = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    slopes = np.stack([(u - WIDTH / 2) / FOCAL, (v - HEIGHT / 2) / FOCAL], axis=-1)
    images = []
    for centre in centres:
        texture = np.sin((centre[:2] / depth + slopes) @ waves.T + phases).sum(axis=-1) / np.sqrt(24)
        images.append(
            np.clip(128 + 127 * contrast * texture, 0, 255).astype(np.uint8)[..., None].repeat(3, -1)
        )
    identity = np.tile(np.eye(3), (len(centres), 1, 1))
    views = PosedPhotos(
        kind="painted",
        root=Path("desk"),
        source=Path("desk"),
        files=tuple(Path(f"{index}.png") for index in range(len(centres))),
        intrinsics=(CameraIntrinsics(float(WIDTH), float(HEIGHT), FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2),)
        * len(centres),
        c2w=np.concatenate([identity, centres[:, :, None]], axis=2),
        bounds=np.tile([1.0, 10.0], (len(centres), 1)),
        images=tuple(torch.from_numpy(image) for image in images),
    )
    return name_views(views)


def matched(views: PosedPhotos) -> Array:
    """Return the points that are found between depths of 1 and 10."""
    middle = int(np.linalg.norm(views.c2w[:, :, 3] - views.c2w[:, :, 3].mean(axis=0), axis=1).argmin())
    return PhotoAgreement()(views.seen_from(middle), 1.0, 10.0)


@pytest.mark.parametrize("depth", [1.2, 2.0, 3.7, 8.0])
def test_a_painted_wall_is_found_where_it_is(depth: float) -> None:
    """Half of the points within a quarter of a plane of the sweep, nearly all within one."""
    points = matched(painted(depth))
    assert len(points) > 0.5 * WIDTH * HEIGHT
    wrong = np.abs(1 / points[:, 2] - 1 / depth) / (0.9 / 63)
    assert np.quantile(wrong, 0.5) < 0.25
    assert np.quantile(wrong, 0.95) < 1


def test_photos_without_texture_show_nothing() -> None:
    assert len(matched(painted(3.0, contrast=0.0))) == 0


def test_pixels_that_a_mask_ignores_show_nothing_and_hide_nothing() -> None:
    """The left part of every photo shows something else, which the masks ignore."""
    views = painted(2.0)
    spoiled = [image.clone() for image in views.images]
    for index, image in enumerate(spoiled):
        image[:, :20] = 40 * index % 256
    masks = [torch.ones(HEIGHT, WIDTH, dtype=torch.bool) for _ in spoiled]
    for mask in masks:
        mask[:, :20] = False
    found = matched(replace(views, images=tuple(spoiled), masks=tuple(masks)))
    columns = FOCAL * found[:, 0] / found[:, 2] + WIDTH / 2
    assert columns.min() > 20
    assert len(found) > 0.5 * (WIDTH - 20) * HEIGHT
    wrong = np.abs(1 / found[:, 2] - 1 / 2.0) / (0.9 / 63)
    assert np.quantile(wrong, 0.95) < 1


def test_planes_stand_where_the_photos_agree() -> None:
    views = painted(2.5)
    choice = place_planes(views, AutomaticPlanes(), {})
    assert 2.5 / 1.4 < choice.near < 2.5 < choice.far < 2.5 * 1.4
    assert "at which the photos agree" in choice.reasons.depths
    plain = place_planes(painted(2.5, contrast=0.0), AutomaticPlanes(), {})
    assert (plain.near, plain.far, plain.spacing) == (1.0, 10.0, "disparity")


def test_it_does_not_matter_in_which_world_they_are() -> None:
    views = painted(2.5)
    choice = place_planes(views, AutomaticPlanes(), {})
    larger = replace(views, c2w=views.c2w * [1, 1, 1, 7.0], bounds=7 * views.bounds)
    other = place_planes(larger, AutomaticPlanes(), {})
    np.testing.assert_allclose(other.spacing, 7 * np.array(choice.spacing), rtol=1e-3)


def test_the_lowest_point_of_a_parabola_is_exact() -> None:
    at = torch.tensor([[0.3, 2.1, 3.49], [1.0, 3.7, 4.0]])
    cost = (torch.arange(6.0)[:, None, None] - at).square()
    index = cost.argmin(dim=0)
    expected = torch.where((index > 0) & (index < 5), at - index, 0)
    torch.testing.assert_close(lowest_between(cost, index), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("options", [{"width": 4}, {"num_planes": 2}, {"most_views": 1}, {"window": 4}])
def test_impossible_sweeps_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(UserError, match=r"data\.placement\.agreement: expected .* found"):
        PhotoAgreement(**options)


def true_points(scene: Scene) -> Array:
    """Return the points of the world that the held-out views truly see."""
    found = []
    for view in (scene.views[index] for index in scene.test):
        truth = read_truth(scene.root, view.name, *view.image.shape[:2])
        assert truth is not None
        rays = image_rays(view.camera)
        unit = float(scene.source_from_world[:3, :3].norm() / 3**0.5)
        points = rays.origins + rays.directions * (truth.depth / unit)[..., None]
        found.append(points[::6, ::6].reshape(-1, 3))
    return torch.cat(found).double().numpy()


def test_the_demo_gets_the_same_planes_from_its_photos_as_from_its_true_points(demo_scene: Path) -> None:
    scene = load_scene(demo_scene, 504, AnyKind(), AutomaticPlanes())
    assert scene.seen is not None
    assert len(scene.seen.depths) > 2000
    train = [scene.views[index] for index in scene.train]
    K = CameraIntrinsics(504.0, 378.0, *train[0].camera.K[[0, 1, 0, 1], [0, 1, 2, 2]].tolist())
    views = PosedPhotos(
        kind="demo",
        root=scene.root,
        source=scene.root,
        files=scene.photos[: len(train)],
        intrinsics=(K,) * len(train),
        c2w=np.stack([view.camera.c2w.double().numpy() for view in train]),
        bounds=np.tile([1.0, 10.0], (len(train), 1)),
        points=true_points(scene),
        names=tuple(view.name for view in train),
        images=tuple(view.image for view in train),
    )
    choice = place_planes(views, AutomaticPlanes(), {})
    spacing = scene.geometry.spacing
    assert not isinstance(spacing, str)
    assert not isinstance(choice.spacing, str)
    # Near and far within a tenth, and the curve within a twentieth of the range of disparities.
    assert choice.near == pytest.approx(scene.geometry.near, rel=0.1)
    assert choice.far == pytest.approx(scene.geometry.far, rel=0.1)
    off = np.abs(1 / np.array(spacing) - 1 / np.array(choice.spacing)) / (1 / choice.near - 1 / choice.far)
    assert off.max() < 0.06
    # What is seen lies at the same depths, too.
    one, other = (
        np.histogram(1 / seen.depths.numpy(), 12, (0.12, 0.65), weights=seen.weights.numpy())[0]
        for seen in (scene.seen, seen_depths(views.seen_from(choice.reference)))
    )
    assert np.abs(one - other).sum() / 2 < 0.2
