"""Damaged photos of any kind are decoded to the announced size, or refused by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from data.photo_files import ORIENTED, blobs, encoded, exchanged_primaries, png16, with_chunk
from normnex_pl.core.errors import UserError
from normnex_pl.data.photos.colours import to_srgb
from normnex_pl.data.photos.decode import decode_photo
from normnex_pl.data.photos.header import Turn, read_header


@cache
def bases(folder: Path) -> dict[str, bytes]:
    """Return valid photos: of each format, turned, with profiles, with transparency and of wide pixels."""
    image, profile = blobs(), exchanged_primaries()
    wide = np.asarray(image).astype(np.uint16) * 257
    return {name: write(image, 6) for name, write in ORIENTED.items()} | {
        "profile_jpeg": encoded(image, "JPEG", icc_profile=profile, progressive=True),
        "cmyk": encoded(image.convert("CMYK"), "JPEG", icc_profile=profile),
        "profile_tiff": encoded(image, "TIFF", icc_profile=profile, compression="tiff_deflate"),
        "grey16_tiff": encoded(Image.fromarray(wide[:, :, 0]), "TIFF", compression="tiff_lzw"),
        "palette": with_chunk(encoded(image.quantize(16), "PNG"), b"tRNS", bytes(range(0, 250, 25))),
        "png16": with_chunk(png16(wide, folder, 8), b"tRNS", wide[0, 0].astype(">u2").tobytes()),
        "lossy_webp": encoded(image.convert("RGBA"), "WEBP", icc_profile=profile, exif=b"Exif\0\0no EXIF"),
    }


Mutation = Callable[[bytes], bytes]


def overwritten(place: float, new: bytes) -> Mutation:
    return lambda data: data[: int(place * len(data))] + new + data[int(place * len(data)) + len(new) :]


def inserted(place: float, new: bytes) -> Mutation:
    return lambda data: data[: int(place * len(data))] + new + data[int(place * len(data)) :]


def removed(place: float, new: bytes) -> Mutation:
    return lambda data: data[: int(place * len(data))] + data[int(place * len(data)) + 4 * len(new) :]


def truncated(place: float, new: bytes) -> Mutation:
    return lambda data: data[: int(place * len(data))]


PLACES = st.floats(0, 1) | st.floats(0, 0.1)  # headers more often
MUTATIONS = st.builds(
    lambda change, place, new: change(place, new),
    st.sampled_from([overwritten, overwritten, inserted, removed, truncated]),
    PLACES,
    st.binary(min_size=1, max_size=4),
)


def check_decoding(path: Path, turn: Turn) -> None:
    """Assert that a file is refused by name, or is decoded to RGB of the announced size."""
    message = None
    try:
        header = read_header(path)
        photo = decode_photo(header, turn, to_srgb)
    except UserError as error:
        message = str(error)
    if message is None:
        assert (photo.mode, photo.size) == ("RGB", header.size(turn))
    else:
        assert message.startswith(f"{path}: expected ")


@settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    choice=st.integers(0, 10_000),
    mutations=st.lists(MUTATIONS, min_size=1, max_size=3),
    turn=st.sampled_from(["stored", "upright"]),
)
@pytest.mark.filterwarnings("ignore")  # of decoders about damage
def test_damaged_photos_are_decoded_as_announced_or_refused(
    tmp_path: Path, choice: int, mutations: list[Mutation], turn: Turn
) -> None:
    name, data = list(bases(tmp_path).items())[choice % len(bases(tmp_path))]
    for mutation in mutations:
        data = mutation(data)
    path = tmp_path / f"{name}.jpg"
    path.write_bytes(data)
    check_decoding(path, turn)


def test_undamaged_photos_are_all_decoded(tmp_path: Path) -> None:
    for name, data in bases(tmp_path).items():
        path = tmp_path / f"{name}.jpg"
        path.write_bytes(data)
        header = read_header(path)
        for turn in ("stored", "upright"):
            assert decode_photo(header, turn, to_srgb).size == header.size(turn)
