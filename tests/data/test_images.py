"""Finding and loading photos: which folder, which pixels, and what is refused."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image

from data.synthetic import write_photos, write_png16
from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.decode import load_photos
from normnex_pl.data.photos.folders import find_folder, list_photos
from normnex_pl.data.photos.header import read_size


def load(path: Path, width: int | None = None) -> NDArray[np.uint8]:
    """Return one photo as an array."""
    pixels: NDArray[np.uint8] = load_photos([path], width)[0].numpy()
    return pixels


def truncate(path: Path, keep: float) -> None:
    """Cut the end of a file off."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        (None, "images"),
        (64, "images"),
        (33, "images"),
        (32, "images_2"),
        (20, "images_2"),
        (16, "images_4"),
        (3, "images_4"),
        (1000, "images"),
    ],
)
def test_prefers_the_exact_width_then_the_narrowest_wider_then_the_widest(
    tmp_path: Path, wanted: int | None, chosen: str
) -> None:
    for name, size in {"images": (64, 48), "images_2": (32, 24), "images_4": (16, 12)}.items():
        write_photos(tmp_path / name, ["a.png"], size)
    assert find_folder(tmp_path, wanted).name == chosen


def test_finds_folders_named_by_size_and_skips_empty_and_foreign_ones(tmp_path: Path) -> None:
    write_photos(tmp_path / "images_64x48", ["a.png"], (64, 48))
    write_photos(tmp_path / "images_old", ["a.png"], (16, 12))
    (tmp_path / "images").mkdir()
    assert find_folder(tmp_path, 16).name == "images_64x48"


def test_says_that_photos_are_narrower_than_wanted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_photos(tmp_path / "images", ["a.png"])
    with caplog.at_level(logging.INFO):
        find_folder(tmp_path, 16)
        assert caplog.records[-1].levelno == logging.INFO
        find_folder(tmp_path, 99)
    assert caplog.records[-1].levelno == logging.WARNING
    assert "99" in caplog.messages[-1]
    assert "16" in caplog.messages[-1]


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_chooses_a_folder_without_decoding_pixels(tmp_path: Path, ending: str) -> None:
    write_photos(tmp_path / "images", [f"a.{ending}"], (64, 48))
    truncate(tmp_path / "images" / f"a.{ending}", 0.7)
    write_photos(tmp_path / "images_4", [f"a.{ending}"])
    assert find_folder(tmp_path, 16).name == "images_4"
    assert find_folder(tmp_path, 64).name == "images"


def test_lists_photos_of_any_capitalisation_by_name(tmp_path: Path) -> None:
    names = ["b.JPG", "a.png", "c.Jpeg", "d.PNG"]
    write_photos(tmp_path, names)
    for other in ("notes.txt", "._a.png", ".hidden.jpg", "e.tiff"):
        (tmp_path / other).write_text("not a photo")
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in list_photos(tmp_path)] == sorted(names)
    assert len(load_photos(list_photos(tmp_path), None)) == 4


def test_rgb_png_is_read_as_it_is(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(load(tmp_path / "a.png"), pixels)
    np.testing.assert_array_equal(load(tmp_path / "a.png", 16), pixels)


def test_scaling_down_filters_and_keeps_the_aspect_ratio(tmp_path: Path) -> None:
    checkerboard = (np.indices((48, 64)).sum(0) % 2 * 255).astype(np.uint8)
    Image.fromarray(checkerboard).save(tmp_path / "a.png")
    small = load(tmp_path / "a.png", 20)
    assert small.shape == (15, 20, 3)
    inside = small[2:-2, 2:-2].astype(float)
    assert np.abs(inside - 127.5).max() < 8, "a checkerboard of single pixels must turn grey"


def test_scaling_down_keeps_positions(tmp_path: Path) -> None:
    """Scale a linear ramp: with pixel centres at integer + 0.5, it stays the same function of u / width."""
    ramp = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))
    Image.fromarray(ramp).save(tmp_path / "a.png")
    small = load(tmp_path / "a.png", 16)[:, :, 0].astype(float)
    expected = (np.arange(16) + 0.5) * 4 * 4 - 2  # value 4 u - 2 at u = (column + 0.5) * 64 / 16
    np.testing.assert_allclose(small[:, 2:-2], np.broadcast_to(expected, (12, 16))[:, 2:-2], atol=0.6)


def test_never_enlarges(tmp_path: Path) -> None:
    write_photos(tmp_path, ["a.png"])
    assert load(tmp_path / "a.png", 500).shape == (12, 16, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "png", "png16"])
def test_turns_photos_upright(tmp_path: Path, kind: str, orientation: int) -> None:
    """The upper left quarter of the upright photo is red, its right half green."""
    upright = np.zeros((32, 48, 3), dtype=np.uint8)
    upright[:16, :24, 0] = 255
    upright[:, 24:, 1] = 255
    turned = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    path = tmp_path / f"a.{kind[:3]}"
    if kind == "png16":
        write_png16(path, turned.astype(np.uint16) * 257, orientation)
    else:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        Image.fromarray(turned).save(path, exif=exif)
    assert read_size(path) == (48, 32)
    difference = load(path).astype(int) - upright
    assert np.abs(difference).mean() < 3  # JPEG blurs the borders


def test_grey_bilevel_and_palette_become_rgb(tmp_path: Path) -> None:
    grey = Image.fromarray(np.linspace(0, 255, 192).reshape(12, 16).astype(np.uint8))
    for name, image in {"grey": grey, "bilevel": grey.convert("1"), "palette": grey.convert("P")}.items():
        image.save(tmp_path / f"{name}.png")
        np.testing.assert_array_equal(load(tmp_path / f"{name}.png"), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "palette"])
def test_transparent_pixels_are_composited_over_black(tmp_path: Path, mode: str) -> None:
    grey = np.full((1, 3), 200, dtype=np.uint8)
    alpha = np.array([[0, 128, 255]], dtype=np.uint8)
    expected = np.array([0, 100, 200])
    if mode == "palette":
        image = Image.fromarray(np.arange(3, dtype=np.uint8)[None], mode="P")
        image.putpalette([200, 200, 200] * 3)
        image.save(tmp_path / "a.png", transparency=bytes([0, 128, 255]))
    else:
        channels = [grey] * (len(mode) - 1) + [alpha]
        Image.fromarray(np.stack(channels, axis=-1)).save(tmp_path / "a.png")
    np.testing.assert_allclose(load(tmp_path / "a.png")[0, :, 1], expected, atol=1)


def test_opaque_alpha_changes_nothing(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (12, 16, 4), dtype=np.uint8)
    pixels[:, :, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(load(tmp_path / "a.png"), pixels[:, :, :3])


def test_every_16_bit_value_is_rounded_to_the_nearest_8_bit_value(tmp_path: Path) -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    write_png16(tmp_path / "a.png", values)
    expected = np.round(values / 65535 * 255)
    np.testing.assert_array_equal(load(tmp_path / "a.png"), np.repeat(expected, 3, axis=2))


@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_colour_and_alpha_are_rounded_too(tmp_path: Path, channels: int) -> None:
    """Cutting to the upper 8 bits would be wrong for half of all values."""
    values = np.random.default_rng(2).integers(0, 65536, (12, 16, channels)).astype(np.uint16)
    values[:, :, 3:] = 65535
    write_png16(tmp_path / "a.png", values)
    np.testing.assert_array_equal(load(tmp_path / "a.png"), np.round(values / 65535 * 255)[:, :, :3])


def test_16_bit_grey_with_alpha_is_at_most_one_level_off(tmp_path: Path) -> None:
    values = np.random.default_rng(2).integers(0, 65536, (12, 16, 2)).astype(np.uint16)
    values[:, :, 1] = 65535
    write_png16(tmp_path / "a.png", values)
    expected = np.broadcast_to(values[:, :, :1] / 257, (12, 16, 3))
    np.testing.assert_allclose(load(tmp_path / "a.png"), expected, atol=1)


def test_cmyk_jpeg_has_its_colours(tmp_path: Path) -> None:
    image = Image.merge("CMYK", [Image.new("L", (16, 12), value) for value in (0, 255, 255, 0)])
    image.save(tmp_path / "a.jpg", quality=100)
    np.testing.assert_allclose(load(tmp_path / "a.jpg"), np.broadcast_to([255, 0, 0], (12, 16, 3)), atol=3)


def test_first_picture_of_a_multi_picture_jpeg_is_read(tmp_path: Path) -> None:
    red, green = (Image.new("RGB", (16, 12), color) for color in ((255, 0, 0), (0, 255, 0)))
    red.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[green])
    np.testing.assert_allclose(load(tmp_path / "a.jpg"), np.broadcast_to([255, 0, 0], (12, 16, 3)), atol=3)


def test_names_the_photo_whose_size_differs_from_most(tmp_path: Path) -> None:
    write_photos(tmp_path, ["b.png", "c.png", "d.png"])
    write_photos(tmp_path, ["a.png"], (20, 15))
    with pytest.raises(UserError, match=r"a\.png: expected 16x12 .*in 3 of 4 photos, found 20x15"):
        load_photos(list_photos(tmp_path), 8)


@pytest.mark.parametrize("damage", ["empty", "text", "truncated", "checksum", "gif"])
@pytest.mark.parametrize("kind", ["jpg", "png", "png16"])
def test_damaged_photos_are_named(tmp_path: Path, kind: str, damage: str) -> None:
    path = tmp_path / f"photo.{kind[:3]}"
    pixels = np.random.default_rng(3).integers(0, 256, (48, 64, 3))
    if kind == "png16":
        write_png16(path, pixels.astype(np.uint16) * 257)
    else:
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_text("version https://git-lfs.github.com/spec/v1\n")
    elif damage == "truncated":
        truncate(path, 0.6)
    elif damage == "checksum":
        data = bytearray(path.read_bytes())
        data[20:26] = b"\xff" * 6
        path.write_bytes(data)
    else:
        Image.fromarray(pixels.astype(np.uint8)).save(path, format="GIF")
    with pytest.raises(UserError, match=r"photo\.(jpg|png): expected a readable photo, found"):
        load_photos([path], None)


@pytest.mark.parametrize("width", [0, -4])
def test_refuses_a_width_without_pixels(tmp_path: Path, width: int) -> None:
    with pytest.raises(UserError, match=f"positive number of pixels, found {width}"):
        find_folder(tmp_path, width)
