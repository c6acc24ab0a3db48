"""Photos of every format: sizes of header and pixels, wide pixels, profiles, names, refusals."""

from __future__ import annotations

import logging
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from data import photo_files
from data.photo_files import ORIENTED, SRGB, blobs, encoded, exchanged_primaries, png16, tiff, with_chunk
from normnex_pl.core.errors import UserError
from normnex_pl.data.photos import decode, header
from normnex_pl.data.photos.colours import as_stored, to_srgb
from normnex_pl.data.photos.decode import decode_photo, load_photos
from normnex_pl.data.photos.folders import find_folder
from normnex_pl.data.photos.header import Turn, read_header, read_size

# What takes stored pixels to upright ones, for each orientation of the EXIF standard.
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}


def decoded(path: Path, turn: Turn = "upright") -> np.ndarray:
    """Return the pixels in sRGB."""
    return np.asarray(decode_photo(read_header(path), turn, to_srgb)).astype(int)


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ORIENTED)
def test_header_and_pixels_agree_about_the_turn(tmp_path: Path, name: str, orientation: int) -> None:
    stored = np.asarray(blobs())
    path = written(tmp_path / "a.jpg", ORIENTED[name](blobs(), orientation))
    for turn, expected in (("stored", stored), ("upright", UPRIGHT[orientation](stored))):
        assert read_size(path, turn) == (expected.shape[1], expected.shape[0])
        assert np.abs(decoded(path, turn) - expected).mean() < 2
        np.testing.assert_array_equal(load_photos([path], None, turn)[0], decoded(path, turn))


def test_avif_has_its_turn_in_the_picture(tmp_path: Path) -> None:
    """Its transforms are part of the format, unlike EXIF data: every decoder applies them."""
    data = encoded(blobs(), "AVIF", exif=photo_files.orientation_data(6), quality=95, subsampling="4:4:4")
    path = written(tmp_path / "a.avif", data)
    for turn in ("stored", "upright"):
        assert read_size(path, turn) == (16, 24)
        assert np.abs(decoded(path, turn) - UPRIGHT[6](np.asarray(blobs()))).mean() < 4


@pytest.mark.parametrize("orientation", [0, 9, 99])
def test_orientations_without_a_meaning_turn_nothing(tmp_path: Path, orientation: int) -> None:
    path = written(tmp_path / "a.png", ORIENTED["png"](blobs(), orientation))
    np.testing.assert_array_equal(decoded(path), np.asarray(blobs()))


def test_damaged_exif_data_turn_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "a.png", encoded(blobs(), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"))
    np.testing.assert_array_equal(decoded(path), np.asarray(blobs()))


def test_pixels_other_than_announced_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.png", encoded(blobs(), "PNG"))
    announced = read_header(path)
    written(path, encoded(blobs((16, 24)), "PNG"))
    with pytest.raises(UserError, match=r"a\.png: expected 24x16 pixels as its header says, found 16x24"):
        decode_photo(announced, "upright", as_stored)


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 1000),
    order=st.sampled_from("<>"),
    channels=st.sampled_from([1, 3]),
    white=st.sampled_from([0, 1]),
)
def test_16_bit_tiff_is_scaled(tmp_path: Path, seed: int, order: str, channels: int, white: int) -> None:
    values = np.random.default_rng(seed).integers(0, 65536, (7, 9, channels)).astype(np.uint16)
    inverted = white == 0 and channels == 1 and order == "<"  # what Pillow opens
    data = tiff(65535 - values, order, photometric=0) if inverted else tiff(values, order)
    path = written(tmp_path / "a.tif", data)
    tolerance = 0.501 if channels == 1 else 1  # Pillow cuts those in colour to the upper 8 bits
    expected = np.broadcast_to(values / 257, (7, 9, 3))
    np.testing.assert_allclose(decoded(path), expected, atol=tolerance)


def test_unsigned_32_bit_tiff_is_scaled(tmp_path: Path) -> None:
    values = np.linspace(0, 2**32 - 1, 63).astype(np.uint32).reshape(7, 9, 1)
    path = written(tmp_path / "a.tif", tiff(values))
    np.testing.assert_allclose(decoded(path)[:, :, 0], values[:, :, 0] / (2**32 - 1) * 255, atol=0.501)


@pytest.mark.parametrize(
    ("dtype", "channels", "message"),
    [
        ("int32", 1, "Pillow's mode 'I' .signed"),
        ("int16", 1, "Pillow's mode 'I' .signed"),
        ("float32", 1, "Pillow's mode 'F' .*floating-point"),
        ("float32", 3, "TIFF .*unusual kind .*3 channels of 32-bit floating-point numbers"),
        ("uint32", 3, "TIFF .*unusual kind .*3 channels of 32-bit unsigned numbers"),
    ],
)
def test_pixels_without_a_defined_white_are_refused(
    tmp_path: Path, dtype: str, channels: int, message: str
) -> None:
    path = written(tmp_path / "a.tif", tiff(np.ones((7, 9, channels), dtype)))
    with pytest.raises(UserError, match=rf"a\.tif: expected .*found .*{message}"):
        decoded(path)


def test_wide_channels_apart_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tif", tiff(np.ones((7, 9, 3), np.uint16), planar=2))
    with pytest.raises(UserError, match=r"a\.tif: expected .* found a TIFF file with a plane for each"):
        decoded(path)


def test_missing_rows_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tif", tiff(np.ones((7, 9, 3), np.uint8), height=70))
    with pytest.raises(UserError, match=r"found damaged or other data \(63 of 630 pixels are there\)"):
        read_header(path)


def test_a_colour_stands_for_transparency_in_16_bit_png(tmp_path: Path) -> None:
    values = np.full((2, 2, 3), 30000, np.uint16)
    values[0, 0] = 30000, 30000, 30001
    data = with_chunk(png16(values, tmp_path), b"tRNS", values[1, 1].astype(">u2").tobytes())
    found = decoded(written(tmp_path / "a.png", data))
    assert found[0, 0].tolist() == [117] * 3
    assert found.sum() == 3 * 117


@pytest.mark.parametrize("name", ["png", "png16", "palette", "rgba", "jpeg", "tiff", "webp", "avif"])
def test_profiles_of_colours_are_applied_to_every_kind_of_pixels(tmp_path: Path, name: str) -> None:
    profile, image = exchanged_primaries(), Image.new("RGB", (8, 8), (200, 100, 50))
    wide = np.asarray(image).astype(np.uint16) * 257
    chunk = b"p\0\0" + zlib.compress(profile)
    data = {
        "png": lambda: encoded(image, "PNG", icc_profile=profile),
        "png16": lambda: with_chunk(png16(wide, tmp_path), b"iCCP", chunk),
        "palette": lambda: encoded(image.quantize(4), "PNG", icc_profile=profile),
        "rgba": lambda: encoded(image.convert("RGBA"), "PNG", icc_profile=profile),
        "jpeg": lambda: encoded(image, "JPEG", icc_profile=profile, quality=100),
        "tiff": lambda: encoded(image, "TIFF", icc_profile=profile),
        "webp": lambda: encoded(image, "WEBP", icc_profile=profile, lossless=True),
        "avif": lambda: encoded(image, "AVIF", icc_profile=profile, quality=100),
    }[name]()
    path = written(tmp_path / "a.jpg", data)
    np.testing.assert_allclose(decoded(path), np.broadcast_to([100, 200, 50], (8, 8, 3)), atol=4)
    stored = load_photos([path], None)[0].numpy()
    np.testing.assert_allclose(stored, np.broadcast_to([200, 100, 50], (8, 8, 3)), atol=4)


def grey_profile() -> bytes:
    """Return a profile of linear grey (ICC.1:2001)."""
    white = struct.pack(">4s4x3i", b"XYZ ", *(round(value * 65536) for value in (0.9642, 1, 0.8249)))
    curve = struct.pack(">4s4xL", b"curv", 0)  # no points: a straight line
    tags = ((b"wtpt", white), (b"kTRC", curve))
    start = 132 + 12 * len(tags)
    places = (start, start + len(white))
    entries = [struct.pack(">4sLL", tag, at, len(data)) for (tag, data), at in zip(tags, places, strict=True)]
    head = struct.pack(
        ">L4xL12s12x4s28x12s48x",
        start + len(white) + len(curve),
        0x2100000,
        b"mntrGRAYXYZ ",
        b"acsp",
        white[8:],
    )
    return head + struct.pack(">L", len(tags)) + b"".join(entries) + white + curve


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_profiles_of_grey_are_applied(tmp_path: Path, mode: str) -> None:
    """Linear values become brighter by the curve of sRGB, 55 / 255 = ((128 / 255 + .055) / 1.055)^2.4."""
    stored, expected = ([0, 55, 255], [0, 128, 255]) if mode != "1" else ([0, 255, 255], [0, 255, 255])
    image = Image.fromarray(np.array([stored], np.uint8)).convert(mode)
    path = written(tmp_path / "a.png", encoded(image, "PNG", icc_profile=grey_profile()))
    np.testing.assert_allclose(decoded(path)[0, :, 1], expected, atol=2)


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
def test_profiles_that_cannot_be_applied_change_nothing(tmp_path: Path, mode: str) -> None:
    image = blobs().convert(mode)
    kind = "TIFF" if mode == "CMYK" else "PNG"
    for profile in (SRGB, b"none", grey_profile() if mode == "RGB" else SRGB):
        path = written(tmp_path / "a.png", encoded(image, kind, icc_profile=profile))
        assert np.abs(decoded(path) - np.asarray(image.convert("RGB"))).max() <= 3


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
@pytest.mark.parametrize("ending", [".jpg", ".png", ".HEIC"])
def test_the_content_counts_and_not_the_name(tmp_path: Path, kind: str, ending: str) -> None:
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    path = written(tmp_path / f"a{ending}", encoded(blobs((64, 48)), kind, quality=98))
    assert read_header(path).format == kind
    assert np.abs(decoded(path) - np.asarray(blobs((64, 48)))).mean() < 3


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff\x0a rest", r"found JPEG XL \(called .jpg\), which is not read. Convert it to JPEG or PNG"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "found JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "found JPEG 2000"),
        (b"GIF89a rest", "found GIF"),
        (b"BM1234\0\0\0\0", "found BMP"),
        (b"\0\0\0\x18ftypmp42", "found a video"),
        (b"\0\0\0\x18ftypcrx ", "found a raw photo"),
        (b"version https://git-lfs.github.com", "found a Git LFS pointer. Run 'git lfs pull'"),
        (b"<!DOCTYPE html>", "found a web page"),
        (b"", "found an empty file"),
        (b"\xff\xd8\xff nothing more", "found JPEG that is damaged or of an unusual kind"),
        (b"words", "found damaged or other data"),
        (tiff(np.ones((7, 9, 3), np.uint8), subtype=1), "found a raw photo, of which only a preview"),
    ],
    ids=lambda value: value[:12].hex() if isinstance(value, bytes) else "",
)
def test_what_is_not_read_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    path = written(tmp_path / "a.jpg", data)
    with pytest.raises(UserError, match=rf"a\.jpg: expected a readable photo, {message}"):
        decoded(path)


def test_only_damage_is_called_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="No such file"):
        read_header(tmp_path / "a.jpg")
    path = written(tmp_path / "a.jpg", encoded(blobs(), "JPEG"))
    monkeypatch.setattr(header, "_MOST_PIXELS", 24 * 16 - 1)
    with pytest.raises(UserError, match=r"a\.jpg: expected .* found one that is too large, 24x16\. Scale"):
        read_header(path)


def test_photos_beyond_the_limit_of_pillow_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cover sizes at which Pillow warns, which is an error in tests, and at which it refuses."""
    for limit in (300, 100):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        monkeypatch.setattr(decode, "_LARGE", limit)
        for name, write in ORIENTED.items():
            path = written(tmp_path / name, write(blobs(), 1))
            assert np.abs(decoded(path) - np.asarray(blobs())).mean() < 2
        assert limit == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("size", [(320, 240), (318, 242), (321, 243)])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_large_jpegs_are_read_at_a_fraction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], orientation: int
) -> None:
    """The picture is the same within the difference of two filters, and nothing is moved."""
    path = written(tmp_path / "a.jpg", ORIENTED["jpeg"](blobs(size), orientation))
    whole = load_photos([path], 40)[0].numpy().astype(int)
    monkeypatch.setattr(decode, "_LARGE", 1)
    reduced = load_photos([path], 40)[0].numpy().astype(int)
    assert np.abs(whole - reduced).max() <= 3


def test_a_folder_that_cannot_be_read_is_not_needed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, size in (("images", (64, 48)), ("images_2", (32, 24)), ("images_4", (16, 12))):
        (tmp_path / name).mkdir()
        blobs(size).save(tmp_path / name / "a.png")
    (tmp_path / "images" / "a.png").write_bytes(b"unusable")
    assert find_folder(tmp_path, 20).name == "images_2"
    with caplog.at_level(logging.WARNING):
        assert find_folder(tmp_path, 16).name == "images_4"
    assert "a.png" in caplog.text
    for width in (None, 64):  # the folder that can't be read may be the only one that is wide enough
        with pytest.raises(UserError, match=r"images/a\.png: expected a readable photo"):
            find_folder(tmp_path, width)


def test_photos_of_other_names_are_mentioned(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in ("a.webp", "b.webp", "c.bmp"):
        blobs().save(tmp_path / "images" / name)
    with pytest.raises(UserError, match=r"found none in images/, but 2 x \.webp, 1 x \.bmp\. Convert them"):
        find_folder(tmp_path, None)
