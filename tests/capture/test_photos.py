"""Photos as phones and cameras write them, and frames of videos."""

from __future__ import annotations

import math
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import OpenEXR
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms, ImageFilter

from capture.conftest import save_sideways
from normnex_pl.capture.inputs import read_given
from normnex_pl.capture.photos import find_photos, load_upright, read_header
from normnex_pl.capture.sharpness import blurred, sharpness, sharpness_of_photo
from normnex_pl.capture.sizes import common_size
from normnex_pl.capture.video_frames import choose_frames, extract_frames
from normnex_pl.capture.work_folder import WorkFolder
from normnex_pl.capture.working_copies import copy_name, copy_photos, mask_of
from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.exr import tone_map
from normnex_pl.data.photos.masks import read_mask


def picture(seed: int = 0, size: tuple[int, int] = (64, 48)) -> Image.Image:
    """Return soft blobs, which JPEG and HEIC keep."""
    small = np.random.default_rng(seed).integers(40, 200, (3, 4, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


@pytest.mark.parametrize("ending", ["jpg", "JPEG", "png", "heic", "HEIF", "webp", "tif"])
def test_every_kind_of_photo_is_read(tmp_path: Path, ending: str) -> None:
    picture().save(tmp_path / f"a.{ending}", quality=98)
    (path,) = find_photos(tmp_path)
    assert read_header(path) == ((64, 48), None)
    photo = load_upright(path)
    assert (photo.mode, photo.size) == ("RGB", (64, 48))
    assert np.abs(np.asarray(photo).astype(int) - np.asarray(picture())).mean() < 3


def test_sideways_photos_are_turned_upright(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    save_sideways(picture(), path)
    with Image.open(path) as stored:
        assert stored.size == (48, 64)
    assert read_header(path)[0] == (64, 48)
    assert np.abs(np.asarray(load_upright(path)).astype(int) - np.asarray(picture())).mean() < 3


def test_colour_profiles_are_applied(tmp_path: Path) -> None:
    orange = Image.new("RGB", (8, 8), (200, 100, 50))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # The same profile under another name, with the primaries of red and green exchanged.
    exchanged = srgb.replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))
    exchanged = exchanged.replace(b"rXYZ", b"----", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"----", b"gXYZ")
    colors = {}
    for name, profile in (("none", None), ("srgb", srgb), ("other", exchanged), ("damaged", b"no profile")):
        orange.save(tmp_path / f"{name}.png", icc_profile=profile)
        colors[name] = np.array(load_upright(tmp_path / f"{name}.png").getpixel((0, 0)))
    for name in ("none", "srgb", "damaged"):
        assert colors[name].tolist() == [200, 100, 50]
    np.testing.assert_allclose(colors["other"], [100, 200, 50], atol=2)


@pytest.mark.parametrize(("stored", "expected"), [(26, 26 / math.hypot(36, 24)), (0, None), (None, None)])
def test_the_focal_length_is_read_where_there_is_one(
    tmp_path: Path, stored: int | None, expected: float | None
) -> None:
    exif = Image.Exif()
    if stored is not None:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = stored
    picture().save(tmp_path / "a.jpg", exif=exif)
    assert read_header(tmp_path / "a.jpg")[1] == (None if expected is None else pytest.approx(expected))


@settings(max_examples=50, deadline=None)
@given(
    width=st.integers(600, 6000),
    height=st.integers(600, 6000),
    scales=st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=5),
    longest=st.integers(600, 6000),
)
def test_photos_of_one_shape_get_the_size_of_the_smallest(
    width: int, height: int, scales: list[int], longest: int
) -> None:
    sizes = [(scale * width, scale * height) for scale in scales]
    files = [Path(f"{i}.jpg") for i in range(len(sizes))]
    smallest = min(sizes)
    scale = min(1, longest / max(smallest))
    if round(scale * min(smallest)) < 240:
        with pytest.raises(UserError, match="at least 240 pixels on the shorter side"):
            common_size(files, sizes, longest)
        return
    found = common_size(files, sizes, longest)
    assert max(found) == min(longest, max(smallest))
    np.testing.assert_allclose(found, np.multiply(scale, smallest), atol=0.5)


def test_blurred_photos_stand_out() -> None:
    sharp = [
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (300, 400, 3), dtype=np.uint8)).filter(
            ImageFilter.GaussianBlur(1)
        )
        for seed in range(6)
    ]
    values = np.array([sharpness_of_photo(photo) for photo in sharp])
    assert blurred(values) == []
    values[2] = sharpness_of_photo(sharp[2].filter(ImageFilter.GaussianBlur(1.5)))
    assert blurred(values) == [2]
    assert sharpness(np.full((5, 5), 7, np.uint8)) == 0


@settings(max_examples=100, deadline=None)
@given(sharp=st.lists(st.floats(0, 100), min_size=6, max_size=300).map(np.array), wanted=st.integers(6, 40))
def test_chosen_frames_are_spread_over_the_video(sharp: np.ndarray, wanted: int) -> None:
    chosen = choose_frames(sharp, wanted)
    stretch = len(sharp) / min(wanted, len(sharp))
    assert chosen == sorted(set(chosen))
    assert min(wanted, len(sharp)) / 2 <= len(chosen) <= wanted
    assert all(0 <= number < len(sharp) for number in chosen)
    gaps = np.diff(chosen)
    assert (gaps >= stretch / 2).all()
    # A stretch that gives none lies just behind a chosen frame.
    assert (gaps <= 2 * stretch + 1).all()
    # Each is the sharpest of its stretch, up to where the one before it is too near.
    for number in chosen:
        end = math.ceil((math.floor(number / stretch) + 1) * stretch)
        assert (sharp[number + 1 : end] <= sharp[number]).all()


def test_sharp_frames_of_a_moving_camera_are_taken_from_a_video(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    wide = Image.fromarray(rng.integers(0, 256, (60, 200, 3), dtype=np.uint8)).resize((1200, 360))
    writer = imageio_ffmpeg.write_frames(str(tmp_path / "clip.mp4"), (480, 352), fps=25, quality=9)
    writer.send(None)
    for number in range(60):
        frame = wide.crop((10 * number, 0, 10 * number + 480, 352))
        # Only every fourth frame is sharp: a hand shakes.
        writer.send(np.asarray(frame if number % 4 == 1 else frame.filter(ImageFilter.BoxBlur(4))).tobytes())
    writer.close()
    (tmp_path / "work").mkdir()
    files = extract_frames(tmp_path / "clip.mp4", tmp_path / "work", 10, 6)
    numbers = [int(path.stem.removeprefix("frame_")) for path in files]
    assert len(files) == 10
    assert all(number % 4 == 1 for number in numbers)
    for path, number in zip(files, numbers, strict=True):
        with Image.open(path) as image:
            found = np.asarray(image.convert("RGB")).astype(int)
        true = np.asarray(wide.crop((10 * number, 0, 10 * number + 480, 352)))
        assert np.abs(found - true).mean() < 12
    before = [path.stat().st_mtime_ns for path in files]
    again = extract_frames(tmp_path / "clip.mp4", tmp_path / "work", 10, 6)
    assert [path.stat().st_mtime_ns for path in again] == before


def test_linear_photos_get_one_curve_and_masks_are_copied_beside_them(tmp_path: Path) -> None:
    folder, copies = tmp_path / "photos", tmp_path / "copies"
    folder.mkdir()
    photos = [np.random.default_rng(seed).gamma(1, 0.2 + seed, (240, 320, 3)) for seed in range(6)]
    for number, photo in enumerate(photos):
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        OpenEXR.File(header, {"RGB": photo.astype(np.float32)}).write(str(folder / f"{number}.exr"))
    plain = read_given(folder, 2016, 40, WorkFolder(tmp_path / "scene"))
    assert plain.conversion.description.startswith("6 OpenEXR photos, tone-mapped by one curve")
    mask = np.ones((240, 320), dtype=bool)
    mask[50:90, 100:200] = False
    (tmp_path / "masks").mkdir()
    Image.fromarray(mask).save(tmp_path / "masks" / "4.exr.png")
    masked = read_given(folder, 2016, 40, WorkFolder(tmp_path / "scene"))
    assert masked.key != plain.key
    copies.mkdir()
    copy_photos(masked, copies)
    for number, photo in enumerate(photos):
        with Image.open(copies / copy_name(number)) as copied:
            shown = tone_map(photo.astype(np.float32), plain.conversion.white)
            np.testing.assert_array_equal(np.asarray(copied), np.asarray(shown))
        assert mask_of(copies / copy_name(number)).exists() == (number == 4)
    np.testing.assert_array_equal(read_mask(mask_of(copies / copy_name(4))), mask)
