"""A folder of photos becomes a scene whose cameras are those that took them."""

from __future__ import annotations

import json

import numpy as np
import pycolmap
import pytest
from PIL import Image

from capture.conftest import BRIGHTER, FOCAL, HIDDEN, MASKED, SIZE, Prepared, call, contents
from capture.rendering import align, render, room
from data.synthetic import assert_valid
from normnex_pl.data.photos.posed import PosedPhotos
from normnex_pl.data.readers.auto import AnyKind
from normnex_pl.data.readers.colmap import ColmapReader
from normnex_pl.data.readers.llff import LLFFReader
from normnex_pl.data.scene.load import load_scene

pytestmark = pytest.mark.slow


def read(prepared: Prepared) -> PosedPhotos:
    return LLFFReader().read(prepared.scene, None)


def test_cameras_are_those_that_took_the_photos(prepared: Prepared) -> None:
    posed, true = read(prepared), prepared.shoot.c2w
    _, rotation, _ = similarity = align(posed.c2w[:, :, 3], true[:, :, 3])
    scale, _, shift = similarity
    places = scale * posed.c2w[:, :, 3] @ rotation.T + shift
    # In units of the distance from one camera to the next, which is about 0.3.
    np.testing.assert_allclose(places, true[:, :, 3], atol=0.005)
    turned = rotation @ posed.c2w[:, :, :3]
    cosines = (np.einsum("vij,vij->v", turned, true[:, :, :3]) - 1) / 2
    assert np.degrees(np.arccos(np.clip(cosines, -1, 1))).max() < 0.3
    report = json.loads((prepared.scene / "report.json").read_text())
    assert report["registered"] == report["photos"] == 12
    assert report["mean_reprojection_error"] < 0.5
    np.testing.assert_allclose(report["lens"]["fx"], FOCAL, rtol=0.01)


def test_undistorted_photos_are_what_a_pinhole_takes_there(prepared: Prepared) -> None:
    posed = read(prepared)
    scale, rotation, shift = align(posed.c2w[:, :, 3], prepared.shoot.c2w[:, :, 3])
    for index in (0, 1, 2, 3, 7):
        pinhole = posed.intrinsics[index]
        assert (pinhole.width, pinhole.height) == SIZE
        camera = pycolmap.Camera.create_from_model_name(1, "PINHOLE", 1.0, *SIZE)
        camera.params = [pinhole.fx, pinhole.fy, pinhole.cx, pinhole.cy]
        pose = posed.c2w[index]
        place = scale * rotation @ pose[:, 3] + shift
        expected = render(camera, np.column_stack([rotation @ pose[:, :3], place]), room())
        with Image.open(posed.files[index]) as image:
            found = np.asarray(image)
        error = np.mean((found.astype(float) - expected) ** 2)
        assert 10 * np.log10(255**2 / error) > 26, posed.files[index].name


def test_two_readers_see_the_same_scene(prepared: Prepared) -> None:
    llff, colmap = (load_scene(prepared.scene, None, reader) for reader in (AnyKind(), ColmapReader()))
    assert_valid(llff)
    assert [view.name for view in llff.views] == [f"IMG {number:04}" for number in range(12)]
    assert (llff.train, llff.test, llff.reference) == (colmap.train, colmap.test, colmap.reference)
    for a, b in zip(llff.views, colmap.views, strict=True):
        assert a.name == b.name
        np.testing.assert_allclose(a.camera.K, b.camera.K, rtol=1e-6)
        np.testing.assert_allclose(a.camera.c2w, b.camera.c2w, atol=1e-5)
        np.testing.assert_array_equal(a.image, b.image)
    np.testing.assert_allclose(llff.source_from_world, colmap.source_from_world, atol=1e-5)


def test_bounds_are_percentiles_of_the_depths_that_a_view_sees(prepared: Prepared) -> None:
    posed = read(prepared)
    model = pycolmap.Reconstruction(prepared.scene / "sparse" / "0")
    for index, path in enumerate(posed.files):
        image = model.find_image_with_name(path.name)
        seen = {point.point3D_id for point in image.points2D if point.has_point3D()}
        points = np.array([model.points3D[number].xyz for number in seen])
        pose = image.cam_from_world().matrix()
        depths = points @ pose[2, :3] + pose[2, 3]
        np.testing.assert_allclose(posed.bounds[index], np.percentile(depths, [0.1, 99.9]), rtol=1e-6)


def test_the_model_is_one_that_colmap_reads(prepared: Prepared) -> None:
    model = pycolmap.Reconstruction(prepared.scene / "sparse" / "0")
    assert [camera.model.name for camera in model.cameras.values()] == ["PINHOLE"]
    model.update_point_3d_errors()
    assert model.compute_mean_reprojection_error() < 0.5
    assert {image.name for image in model.images.values()} == {
        path.name for path in (prepared.scene / "images").iterdir()
    }


def test_photos_are_never_changed_and_nothing_is_left_beside_the_scene(prepared: Prepared) -> None:
    assert contents(prepared.shoot.folder) == prepared.before
    assert {path.name for path in prepared.scene.parent.iterdir()} == {"masks", "my photos", "my scene"}
    assert {path.name for path in prepared.scene.iterdir()} == {
        *("images", "masks", "sparse", "poses_bounds.npy", "hwf_cxcy.npy"),
        *("report.json", "report.txt", "prepare.log"),
    }


def test_the_report_tells_what_matters(prepared: Prepared) -> None:
    assert "12 of 12 photos registered" in prepared.output
    assert "mean reprojection error 0." in prepared.output
    assert "WARNING: 12 photos are few" in prepared.output
    # A gain of the bytes is a larger one of the light; the other photos are as they should be.
    stops = f"{2.2 * np.log2(BRIGHTER):+.1f}"
    assert f"photos exposed or white-balanced differently, in stops (1): IMG 0004.jpg ({stops})" in (
        prepared.output
    )
    assert "train with a colour map for each photo (--model.exposure=AffineExposure)" in prepared.output
    assert (prepared.scene / "report.txt").read_text().strip() in prepared.output
    assert "incremental_pipeline" in (prepared.scene / "prepare.log").read_text()


def test_the_same_command_again_changes_nothing_and_another_is_refused(prepared: Prepared) -> None:
    before = contents(prepared.scene)
    words = (prepared.shoot.folder, prepared.scene)
    status, output = call(*words)
    assert status == 0
    assert "12 of 12 photos registered" in output
    status, output = call(*words, "--longest", "400")
    assert status == 2
    assert "expected no such folder, or the scene that these photos and options make" in output
    assert contents(prepared.scene) == before
    assert {path.name for path in prepared.scene.parent.iterdir()} == {"masks", "my photos", "my scene"}


def test_what_a_mask_hides_has_no_features_and_is_masked_in_the_scene(prepared: Prepared) -> None:
    scene = load_scene(prepared.scene, None, AnyKind())
    [masked] = [view for view in scene.views if view.mask is not None]
    assert masked.name == f"IMG {MASKED:04}"
    assert [path.name for path in scene.masks] == [f"IMG {MASKED:04}.jpg.png"]
    assert masked.mask is not None
    # The distortion moves pixels by a few percent of their distance from the centre.
    rows, columns = (~masked.mask).nonzero().T.tolist()
    for found, wanted in zip((columns, rows), HIDDEN, strict=True):
        assert min(found) == pytest.approx(wanted.start, abs=8)
        assert max(found) == pytest.approx(wanted.stop - 1, abs=8)
    model = pycolmap.Reconstruction(prepared.scene / "sparse" / "0")
    [image] = [image for image in model.images.values() if image.name == f"{masked.name}.jpg"]
    places = np.array([point.xy for point in image.points2D])
    inside = masked.mask[
        places[:, 1].clip(0, SIZE[1] - 1).astype(int), places[:, 0].clip(0, SIZE[0] - 1).astype(int)
    ]
    assert len(places) > 100
    assert inside.float().mean() > 0.99  # of the mask as it was resampled, at its border
    report = json.loads((prepared.scene / "report.json").read_text())
    assert report["masked"] == [f"{masked.name}.jpg"]
    assert "masks ignore pixels of 1 photos" in prepared.output
