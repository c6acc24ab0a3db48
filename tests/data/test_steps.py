"""The steps from posed photos to a scene, one by one: each is a pure function of the record."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.layouts import captured, write_colmap_binary
from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.crop import crop_images
from normnex_pl.data.photos.intrinsics import CameraIntrinsics
from normnex_pl.data.photos.load import load_images
from normnex_pl.data.photos.posed import PosedPhotos, Split, name_views
from normnex_pl.data.photos.undistortion import undistort_images
from normnex_pl.data.readers.colmap import ColmapReader
from normnex_pl.data.scene.check import check_posed
from normnex_pl.data.scene.normalise import keep_seen_points, normalise, scene_unit

SIZES = ((18, 12), (16, 12), (16, 13), (17, 14))


def posed(sizes: tuple[tuple[int, int], ...] = SIZES, distortion: tuple[float, ...] = (0.05,)) -> PosedPhotos:
    """Return photos in memory, of sizes that differ, with distortion."""
    scene = captured(len(sizes))
    rng = np.random.default_rng(0)
    return PosedPhotos(
        kind="made up",
        root=Path("desk"),
        source=Path("desk/poses"),
        files=tuple(Path(f"desk/{index}.png") for index in range(len(sizes))),
        intrinsics=tuple(
            CameraIntrinsics(float(w), float(h), 15.0, 16.0, w / 2 + 0.5, h / 2, distortion) for w, h in sizes
        ),
        c2w=scene.cameras.c2w,
        bounds=scene.cameras.bounds,
        split=Split((0, 1), (2, 3)),
        points=scene.points,
        images=tuple(torch.from_numpy(rng.integers(0, 256, (h, w, 3), dtype=np.uint8)) for w, h in sizes),
        masks=tuple(torch.from_numpy(rng.random((h, w)) > 0.1) for w, h in sizes),
    )


def flat(record: PosedPhotos) -> list[NDArray[np.generic]]:
    """Return all numbers of a record."""
    values = [np.array(record.c2w), np.array(record.bounds), np.array(record.points), record.K]
    return [*values, *(pixels.numpy() for pixels in (*record.images, *record.masks) if pixels is not None)]


STEPS: dict[str, Callable[[PosedPhotos], PosedPhotos]] = {
    "name": name_views,
    "undistort": undistort_images,
    "crop": crop_images,
    "normalise": lambda record: normalise(record, 2.0),
    "points": lambda record: keep_seen_points(record, (0,)),
    "only": lambda record: record.only((2, 0)),
    "frame": lambda record: record.seen_from(1),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_leaves_its_input_alone(name: str) -> None:
    record = posed()
    before = copy.deepcopy(record)
    STEPS[name](record)
    for one, other in zip(flat(record), flat(before), strict=True):
        np.testing.assert_array_equal(one, other)
    others = {field.name for field in fields(record)} - {"c2w", "bounds", "points", "images", "masks"}
    assert all(getattr(record, name) == getattr(before, name) for name in others)


@pytest.mark.parametrize("name", ["undistort", "crop", "points"])
def test_a_step_that_is_done_changes_nothing_more(name: str) -> None:
    once = STEPS[name](posed())
    for one, other in zip(flat(STEPS[name](once)), flat(once), strict=True):
        np.testing.assert_array_equal(one, other)


def test_photos_end_as_pinhole_pictures_of_one_size() -> None:
    record = crop_images(undistort_images(posed()))
    assert {tuple(image.shape) for image in record.images} == {(12, 16, 3)}
    for intrinsics in record.intrinsics:
        assert intrinsics.is_pinhole
        assert (intrinsics.width, intrinsics.height) == (record.width, record.height) == (16, 12)


def test_a_crop_shifts_the_principal_point_with_the_pixels() -> None:
    record = posed(distortion=())
    cropped = crop_images(record)
    for before, after, one, other in zip(
        record.intrinsics, cropped.intrinsics, record.images, cropped.images, strict=True
    ):
        left, top = round(before.cx - after.cx), round(before.cy - after.cy)
        assert torch.equal(one[top : top + 12, left : left + 16], other)


@pytest.mark.parametrize("width", [None, 16, 8])
def test_loading_scales_the_intrinsics_to_the_pixels(tmp_path: Path, width: int | None) -> None:
    found = ColmapReader().read(write_colmap_binary(tmp_path, captured(3)), width)
    loaded = load_images(found, width)
    for before, after, image in zip(found.intrinsics, loaded.intrinsics, loaded.images, strict=True):
        assert (after.height, after.width) == tuple(image.shape[:2])
        scale = image.shape[1] / before.width
        np.testing.assert_allclose(after.matrix[:2], scale * before.matrix[:2])


@settings(max_examples=20, deadline=None)
@given(scale=st.floats(1e-3, 1e3))
def test_the_world_has_the_same_numbers_whatever_the_unit_of_the_files(scale: float) -> None:
    record = posed()
    c2w = record.c2w * [1, 1, 1, scale]
    scaled = replace(record, c2w=c2w, bounds=scale * record.bounds, points=scale * record.points)
    one, other = (normalise(each, scene_unit(each.bounds)) for each in (record, scaled))
    np.testing.assert_allclose(one.c2w, other.c2w, rtol=1e-9)
    np.testing.assert_allclose(one.points, other.points, rtol=1e-9)
    assert one.bounds.min() == pytest.approx(4 / 3)
    assert other.bounds.min() == pytest.approx(4 / 3)


def test_distances_are_the_same_from_every_camera() -> None:
    record = posed()
    assert record.points is not None
    distances = np.linalg.norm(record.points - record.c2w[2, :, 3], axis=1)
    for reference in range(len(SIZES)):
        seen = record.seen_from(reference)
        assert seen.points is not None
        np.testing.assert_array_equal(seen.c2w[reference], np.eye(3, 4))
        np.testing.assert_allclose(np.linalg.norm(seen.points - seen.c2w[2, :, 3], axis=1), distances)


def test_some_photos_keep_what_is_theirs() -> None:
    record = name_views(posed())
    some = record.only((3, 1))
    assert some.names == ("3", "1")
    assert some.files == (record.files[3], record.files[1])
    assert torch.equal(some.images[0], record.images[3])
    np.testing.assert_array_equal(some.K, record.K[[3, 1]])
    assert some.split is None


def test_what_a_reader_returns_is_checked() -> None:
    record = name_views(posed())
    check_posed(record)
    with pytest.raises(UserError, match=r"desk/poses: expected a pose for each of the 3 photos, found 4"):
        check_posed(replace(record, files=record.files[:3]))
    no_focal = replace(record.intrinsics[1], fx=0.0)
    intrinsics = (record.intrinsics[0], no_focal, *record.intrinsics[2:])
    with pytest.raises(UserError, match=r"view '1': expected a positive focal length, found 0 pixels"):
        check_posed(replace(record, intrinsics=intrinsics))
    with pytest.raises(UserError, match=r"view '0': expected depth bounds 0 < near < far"):
        check_posed(replace(record, bounds=record.bounds[:, ::-1].copy()))
