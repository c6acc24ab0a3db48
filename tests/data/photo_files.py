"""Small photos of all formats, for tests of decoding."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms

from data.synthetic import write_png16

SIZE = (24, 16)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def blobs(size: tuple[int, int] = SIZE) -> Image.Image:
    """Return soft blobs, which lossy formats keep, and which no turn leaves alike."""
    small = np.random.default_rng(5).integers(40, 200, (2, 3, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def exchanged_primaries() -> bytes:
    """Return a profile like sRGB, but for red and green, which are exchanged."""
    profile = SRGB.replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))
    return profile.replace(b"rXYZ", b"----", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"----", b"gXYZ")


def orientation_data(orientation: int) -> bytes:
    """Return EXIF data that have nothing but an orientation."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif.tobytes()


def xmp_data(orientation: int) -> bytes:
    """Return XMP data that have nothing but an orientation."""
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="%d"/>'
        b"</rdf:RDF></x:xmpmeta>" % orientation
    )


def with_late_metadata(png: bytes) -> bytes:
    """Move the EXIF chunk of a PNG file after its pixels."""
    start = png.index(b"eXIf") - 4
    end = start + 12 + struct.unpack(">L", png[start : start + 4])[0]
    return png[:start] + png[end:-12] + png[start:end] + png[-12:]


def with_chunk(png: bytes, kind: bytes, data: bytes) -> bytes:
    """Insert a chunk into a PNG file, before its pixels."""
    chunk = struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))
    start = png.index(b"IDAT") - 4
    return png[:start] + chunk + png[start:]


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """Return a picture as a file holds it."""
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def png16(pixels: np.ndarray, folder: Path, orientation: int | None = None) -> bytes:
    """Return a 16-bit PNG file of height x width x channel."""
    write_png16(folder / "wide", pixels, orientation)
    return (folder / "wide").read_bytes()


# Ways to write a photo with an orientation, by the name of the format.
ORIENTED: dict[str, Callable[[Image.Image, int], bytes]] = {
    "jpeg": lambda image, o: encoded(image, "JPEG", exif=orientation_data(o), quality=98, subsampling=0),
    "jpeg_xmp": lambda image, o: encoded(image, "JPEG", xmp=xmp_data(o), quality=98, subsampling=0),
    "png": lambda image, o: encoded(image, "PNG", exif=orientation_data(o)),
    "late_png": lambda image, o: with_late_metadata(encoded(image, "PNG", exif=orientation_data(o))),
    "webp": lambda image, o: encoded(image, "WEBP", exif=orientation_data(o), lossless=True),
    "tiff": lambda image, o: encoded(image, "TIFF", exif=orientation_data(o)),
    "tiff_lzw": lambda image, o: encoded(image, "TIFF", exif=orientation_data(o), compression="tiff_lzw"),
    "tiff_xmp": lambda image, o: encoded(image, "TIFF", tiffinfo={700: xmp_data(o)}),
    "mpo": lambda image, o: encoded(
        image, "MPO", exif=orientation_data(o), quality=98, save_all=True, append_images=[image]
    ),
}


def tiff(pixels: np.ndarray, order: str = "<", **tags: int) -> bytes:
    """Return an uncompressed TIFF file (TIFF 6.0) of height x width x channel, of any type of numbers.

    Args:
        pixels: Grey for one channel, RGB for three.
        order: Of the bytes: < or >.
        tags: ``photometric``, ``planar``, ``bits``, and others by the names below.
    """
    height, width, channels = pixels.shape
    numbers = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    bits = tags.get("bits", 8 * pixels.dtype.itemsize)
    values = {
        254: tags.get("subtype", 0),
        256: width,
        257: tags.get("height", height),
        258: bits,
        259: 1,
        262: tags.get("photometric", 1 if channels == 1 else 2),
        273: 8,
        274: tags.get("orientation", 1),
        277: channels,
        278: height,
        279: len(data),
        284: tags.get("planar", 1),
        339: numbers,
    }
    start = 8 + len(data)
    lists = start + 2 + 12 * len(values) + 4
    entries = [struct.pack(order + "HHLL", tag, 4, 1, value) for tag, value in values.items()]
    if channels > 1:  # a value for each of them, after the directory
        for position, tag in enumerate(t for t in values if t in (258, 339)):
            place = lists + 4 * channels * position
            entries[list(values).index(tag)] = struct.pack(order + "HHLL", tag, 4, channels, place)
    repeated = b"".join(struct.pack(order + f"{channels}L", *[values[t]] * channels) for t in (258, 339))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "L", start)
    directory = struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4)
    return head + data + directory + repeated
