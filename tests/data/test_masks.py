"""Masks of photos: which pixels count, wherever a scene says so, and what is refused."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import ExifTags, Image

from data.layouts import captured, write_colmap_binary, write_nerfstudio
from data.refusals import check_one_clear_message
from data.synthetic import SIZE, forward_facing, read_llff, write_photos, write_scene
from data.test_nerfstudio_keys import edit
from data.test_steps import posed
from normnex_pl.cli.inspect_report import report
from normnex_pl.core.types import Scene
from normnex_pl.data.datamodule import SceneDataModule
from normnex_pl.data.photos import masks
from normnex_pl.data.photos.crop import crop_images
from normnex_pl.data.photos.header import read_header
from normnex_pl.data.photos.mask_files import masks_of_scene
from normnex_pl.data.photos.masks import load_mask, shrink_mask, whole_triplets
from normnex_pl.data.photos.undistortion import undistort_images
from normnex_pl.data.readers.auto import AnyKind
from normnex_pl.data.scene.fingerprint import scene_files
from normnex_pl.data.scene.load import load_scene
from normnex_pl.data.survey.survey import survey
from support.small import few

Mask = NDArray[np.bool_]


def hole(size: tuple[int, int] = SIZE, seed: int = 0) -> Mask:
    """Return a mask with a hole, which no turn leaves alike."""
    mask = np.ones(size[::-1], dtype=bool)
    x, y = np.random.default_rng(seed).integers(2, 5, 2)
    mask[y : y + 4, x : x + 5] = False
    return mask


def write_mask(path: Path, mask: Mask) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(path)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_scene(tmp_path / "scene", forward_facing(5))


def mask_of(scene: Scene, index: int) -> Mask | None:
    mask = scene.views[index].mask
    return None if mask is None else mask.numpy()


@pytest.mark.parametrize(
    "name", ["view_001.png", "view_001.png.png", "view_001.jpg.png", "view_001.JPG.PNG", "view_001.heic.png"]
)
def test_a_mask_beside_the_photos_says_which_pixels_of_one_count(root: Path, name: str) -> None:
    path = write_mask(root / "masks" / name, hole())
    scene = read_llff(root, None)
    np.testing.assert_array_equal(mask_of(scene, 1), hole())
    assert [index for index in range(5) if scene.views[index].mask is not None] == [1]
    assert scene.masks == (path,)


@pytest.mark.parametrize(
    ("photos", "masks"),
    [
        (["images/a.jpg", "images/b.jpg"], "masks/b.png"),
        (["images_4/a.jpg", "images_4/b.jpg"], "masks/b.png"),
        (["images_4/a.jpg", "images_4/b.jpg"], "masks_4/b.png"),
        (["dense/images/a.jpg", "dense/images/b.jpg"], "dense/masks/b.png"),
        (["images/left/a.jpg", "images/right/a.jpg"], "masks/right/a.png"),
        (["left/a.jpg", "right/a.jpg"], "masks/right/a.png"),
        (["other/a.jpg", "other/b.jpg"], "masks/b.png"),
        (["a.jpg", "b.jpg"], "masks/b.png"),
    ],
)
def test_masks_lie_as_their_photos_do(tmp_path: Path, photos: list[str], masks: str) -> None:
    """Photos of several cameras may have the same names, in folders of their own."""
    path = write_mask(tmp_path / masks, hole())
    assert masks_of_scene(tmp_path, [tmp_path / photo for photo in photos]) == [(), (path,)]


def test_masks_are_read_in_other_formats_too(tmp_path: Path) -> None:
    root = write_colmap_binary(tmp_path, captured(4))
    write_mask(root / "masks" / "view_002.png.png", hole())
    np.testing.assert_array_equal(mask_of(load_scene(root, None, AnyKind()), 2), hole())


PIXELS: dict[str, Callable[[Mask], Image.Image]] = {
    "bits": lambda mask: Image.fromarray(mask),
    "bytes": lambda mask: Image.fromarray(mask.astype(np.uint8) * 255),
    "zeros and ones": lambda mask: Image.fromarray(mask.astype(np.uint8)),
    "colours": lambda mask: Image.fromarray(np.where(mask[..., None], [0, 0, 200], 0).astype(np.uint8)),
    "16 bits": lambda mask: Image.fromarray(mask.astype(np.uint16) * 300),
    "palette": lambda mask: Image.fromarray(mask.astype(np.uint8) * 255).convert("P"),
    "with alpha": lambda mask: Image.fromarray(mask.astype(np.uint8) * 255).convert("RGBA"),
}


@pytest.mark.parametrize("kind", PIXELS)
def test_black_is_ignored_whatever_the_pixels_are(tmp_path: Path, kind: str) -> None:
    PIXELS[kind](hole()).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(masks.read_mask(tmp_path / "mask.png"), hole())


def test_the_same_mask_under_both_names_is_one_mask(root: Path) -> None:
    for name in ("view_001.png", "view_001.jpg.png"):
        write_mask(root / "masks" / name, hole())
    np.testing.assert_array_equal(mask_of(read_llff(root, None), 1), hole())


REFUSALS: dict[str, tuple[Callable[[Path], object], str]] = {
    "two that differ": (
        lambda root: (
            write_mask(root / "masks" / "view_001.png", hole()),
            write_mask(root / "masks" / "view_001.jpg.png", ~hole()),
        ),
        r"view_001\.png: expected one mask for view_001\.png, found another one in .*view_001\.jpg\.png",
    ),
    "another size": (
        lambda root: write_mask(root / "masks" / "view_001.png", hole((12, 16))),
        r"view_001\.png: expected a mask of 16x12 pixels, as view_001\.png has, .* found 12x16",
    ),
    "smaller": (
        lambda root: write_mask(root / "masks" / "view_001.png", hole((8, 6))),
        r"expected a mask of 16x12 pixels, .* found 8x6",
    ),
    "all black": (
        lambda root: write_mask(root / "masks" / "view_001.png", np.zeros(SIZE[::-1], dtype=bool)),
        r"view_001\.png: expected white pixels, .* found none\. Invert the mask",
    ),
    "no PNG": (
        lambda root: (
            write_mask(root / "masks" / "view_001.png", hole()),
            Image.new("L", SIZE).save(root / "masks" / "view_001.png", "JPEG"),
        ),
        r"view_001\.png: expected a mask as PNG file, found JPEG\. Save it as PNG",
    ),
    "damaged": (
        lambda root: write_mask(root / "masks" / "view_001.png", hole()).write_bytes(
            (root / "masks" / "view_001.png").read_bytes()[:50]
        ),
        r"view_001\.png: expected a mask as PNG file, found a damaged one",
    ),
    "empty": (
        lambda root: (
            (root / "masks").mkdir(),
            (root / "masks" / "view_001.png").write_bytes(b""),
        ),
        r"view_001\.png: expected a mask as PNG file, found an empty file",
    ),
    "lonely pixels": (
        lambda root: write_mask(root / "masks" / "view_001.png", np.indices(SIZE[::-1]).sum(axis=0) % 2 == 0),
        r"view_001\.png: expected pixels that its mask leaves, found none with neighbours",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_mask_that_can_not_be_meant_is_one_clear_message(root: Path, case: str) -> None:
    breaker, says = REFUSALS[case]
    check_one_clear_message(root, lambda folder: read_llff(folder, None), breaker, says)


def test_masks_of_no_photo_are_named(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("view_001.png", "view_01.png"):
        write_mask(root / "masks" / name, hole())
    read_llff(root, None)
    [text] = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert "1 masks belong to no photo: view_01.png" in text


@few
@given(
    st.integers(1, 7),
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(0, 2**16),
    st.floats(0, 0.3),
)
def test_a_pixel_of_a_smaller_copy_counts_if_all_do_that_it_covers(
    height: int, width: int, rows: int, columns: int, seed: int, ignored: float
) -> None:
    mask = np.random.default_rng(seed).random((height * rows, width * columns)) >= ignored
    expected = mask.reshape(height, rows, width, columns).all(axis=(1, 3))
    shrunk = shrink_mask(torch.from_numpy(mask), (width, height))
    np.testing.assert_array_equal(shrunk.numpy(), expected)


def test_full_size_masks_serve_smaller_photos_unless_these_have_their_own(root: Path) -> None:
    write_photos(root / "images_2", [f"view_{index:03}.png" for index in range(5)], (8, 6))
    write_mask(root / "masks" / "view_001.jpg.png", hole())
    write_mask(root / "masks" / "view_002.jpg.png", hole())
    own = np.ones((6, 8), dtype=bool)
    own[0, 0] = False
    write_mask(root / "masks_2" / "view_002.png", own)
    scene = read_llff(root, 8)
    np.testing.assert_array_equal(mask_of(scene, 1), hole().reshape(6, 2, 8, 2).all(axis=(1, 3)))
    np.testing.assert_array_equal(mask_of(scene, 2), own)


def transparent(path: Path, alpha: NDArray[np.uint8]) -> None:
    """Give a photo an alpha channel."""
    with Image.open(path) as image:
        photo = image.convert("RGB")
    photo.putalpha(Image.fromarray(alpha))
    photo.save(path)


def test_transparent_pixels_are_ignored_beside_those_of_the_mask(root: Path) -> None:
    alpha = np.full(SIZE[::-1], 255, dtype=np.uint8)
    alpha[:3], alpha[3] = 0, 254
    transparent(root / "images" / "view_001.png", alpha)
    np.testing.assert_array_equal(mask_of(read_llff(root, None), 1), alpha == 255)
    write_mask(root / "masks" / "view_001.png", hole())
    np.testing.assert_array_equal(mask_of(read_llff(root, None), 1), (alpha == 255) & hole())


def test_an_opaque_alpha_channel_ignores_nothing(root: Path) -> None:
    transparent(root / "images" / "view_001.png", np.full(SIZE[::-1], 255, dtype=np.uint8))
    assert mask_of(read_llff(root, None), 1) is None


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("made_of", ["stored", "upright"])
def test_a_mask_is_turned_as_its_photo_is(tmp_path: Path, orientation: int, made_of: str) -> None:
    """Of turns that keep the shape nothing tells which way a mask is: it is taken as upright."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = Image.fromarray(hole())
    Image.new("RGB", SIZE).save(tmp_path / "a.jpg", exif=exif)
    header = read_header(tmp_path / "a.jpg")
    upright = masks.turned(stored, orientation)
    (stored if made_of == "stored" else upright).save(tmp_path / "a.png")
    loaded = load_mask(header, [tmp_path / "a.png"], header.size("upright"), "upright")
    assert loaded is not None
    is_as_given = made_of == "stored" and orientation < 5
    np.testing.assert_array_equal(loaded.numpy(), np.asarray(stored if is_as_given else upright))


def test_nerfstudio_names_masks(tmp_path: Path) -> None:
    root = write_nerfstudio(tmp_path, captured(4))
    path = write_mask(root / "hidden" / "one.png", hole((64, 48)))

    def name(content: dict[str, Any]) -> None:
        content["frames"][2]["mask_path"] = "hidden/one.png"

    edit(root, name)
    scene = load_scene(root, None, AnyKind())
    [index] = [index for index, view in enumerate(scene.views) if view.mask is not None]
    assert Path(scene.photos[index]).name == "view_002.png"
    np.testing.assert_array_equal(
        mask_of(scene, index), hole((64, 48)).reshape(12, 4, 16, 4).all(axis=(1, 3))
    )
    write_mask(root / "masks" / "view_002.png", ~hole((64, 48)))
    check_one_clear_message_now(root, r"expected one mask for view_002\.png, found another one in .*one\.png")
    path.unlink()
    check_one_clear_message_now(
        root, r"transforms\.json, frame 2: expected a mask in the file of 'mask_path'"
    )


def check_one_clear_message_now(root: Path, says: str) -> None:
    with pytest.raises(Exception, match=says) as caught:
        load_scene(root, None, AnyKind())
    assert "\n" not in str(caught.value)


def test_a_mask_is_undistorted_and_cropped_with_its_photo() -> None:
    """What counts afterwards shows nothing of what was ignored, of photos that are black there alone."""
    record = posed()
    holes = [hole((image.shape[1], image.shape[0]), seed) for seed, image in enumerate(record.images)]
    photos = [torch.from_numpy(np.repeat(mask[..., None] * np.uint8(255), 3, axis=2)) for mask in holes]
    given_masks = [torch.from_numpy(mask) for mask in holes]
    done = crop_images(undistort_images(replace(record, images=tuple(photos), masks=tuple(given_masks))))
    for image, mask in zip(done.images, done.masks, strict=True):
        assert mask is not None
        assert mask.shape == image.shape[:2]
        assert 0.5 < mask.float().mean() < 1
        # A bicubic filter reaches one pixel further than the mask's bilinear one, with weights below 1 in 8.
        assert image[mask].min() > 255 * 0.85
        assert (image[~mask].float().mean(dim=-1) < 250).float().mean() > 0.5


def test_files_of_masks_belong_to_the_scene(root: Path) -> None:
    path = write_mask(root / "masks" / "view_001.png", hole())
    before = scene_files(AnyKind(), load_scene(root, None, AnyKind()))
    assert "masks/view_001.png" in before
    write_mask(path, ~hole())
    after = scene_files(AnyKind(), load_scene(root, None, AnyKind()))
    assert [name for name in after if after[name] != before[name]] == ["masks/view_001.png"]


def test_the_survey_says_how_much_is_ignored(root: Path) -> None:
    write_mask(root / "masks" / "view_001.png", hole())
    measured = survey(read_llff(root, None), 8)
    shares = [view.ignored for view in measured.views]
    assert shares[1] == pytest.approx(20 / 192)
    assert sum(shares) == shares[1]
    text = " ".join(report(measured, [], None).split())
    assert "masks of 1 photos; they ignore 10.4% of the pixels of these on average, most of view_001" in text


def drawn(data: SceneDataModule, step: int) -> set[tuple[int, int, int]]:
    """Return view, column and row of the first pixels of a step's triplets; all their pixels must count."""
    batch = data.draw_rays(step, 0, torch.device("cpu"))
    assert batch.views is not None
    found = set()
    for position, rays, directions in zip(
        batch.views.tolist(), batch.rays.origins, batch.rays.directions, strict=True
    ):
        view = data.scene.views[data.train_views[position]]
        assert torch.equal(rays[0], view.camera.c2w[:, 3])
        uvw = directions @ view.camera.c2w[:, :3] @ view.camera.K.T
        columns, rows = (uvw[:, :2] / uvw[:, 2:] - 0.5).round().long().T
        assert view.mask is None or view.mask[rows, columns].all()
        found.add((position, int(columns[0]), int(rows[0])))
    return found


def test_triplets_are_drawn_from_all_whose_pixels_count_and_no_others(root: Path) -> None:
    for index in (1, 3):
        write_mask(root / "masks" / f"view_{index:03}.png", hole(seed=index))
    data = SceneDataModule(root, rays_per_step=3000)
    found = set().union(*(drawn(data, step) for step in range(10)))
    expected = set()
    for position, index in enumerate(data.train_views):
        mask = data.scene.views[index].mask
        corners = whole_triplets(torch.ones(SIZE[::-1], dtype=torch.bool) if mask is None else mask)
        expected |= {(position, column, row) for row, column in corners.nonzero().tolist()}
    assert found == expected


def test_rays_of_a_scene_whose_masks_ignore_nothing_are_those_without_masks(root: Path) -> None:
    before = SceneDataModule(root).draw_rays(3, 0, torch.device("cpu"))
    write_mask(root / "masks" / "view_001.png", np.ones(SIZE[::-1], dtype=bool))
    after = SceneDataModule(root).draw_rays(3, 0, torch.device("cpu"))
    assert torch.equal(before.rays.directions, after.rays.directions)
    assert torch.equal(before.rgb, after.rgb)
