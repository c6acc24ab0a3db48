"""Splats as SPZ, version 3: a gzip stream of all attributes, one after the other, in few bits.

Source: the format's public description (nianticlabs/spz). After a header of 16 bytes: positions (24-bit fixed
point), opacities, colours, logarithms of scales, rotations (a quaternion's three smallest components in 32
bits), and coefficients of harmonics of degrees 1 and 2, the colour channel fastest. Its axes are x right, y
up, z back, those of three.js: y and z change their signs, and some harmonics with them.
"""

from __future__ import annotations

import gzip
import math
import struct
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from normnex_pl.export.splats.harmonics import FLIPPED, NUM_HARMONICS
from normnex_pl.export.splats.splats import Splats

MADE_BY = "normnex_pl"  # the file name in gzip's header
# What coefficients of degrees 1 and 2 are rounded to, as the format's own library does: 5 and 4 bits.
STEPS = (1 / 16, 1 / 8)
LIMIT = 1 - 1 / 8
MOST_SPLATS = 10_000_000  # which readers accept
_MAGIC, _VERSION, _DEGREE = 0x5053474E, 3, 2
_HEADER = "<IIIBBBB"
_BITS = 24
_COLOR_RANGE = 0.15
_IDENTITY = 0xC0000000  # the largest component is the fourth, w; the others are 0
_AXES = (1.0, -1.0, -1.0)
_LEVEL = 6  # of gzip: more takes minutes and gains a percent


def write_spz(path: Path, splats: Splats, antialiased: bool) -> None:
    """Write splats whose harmonics are already rounded to `STEPS` and limited.

    Args:
        path: The file.
        splats: The splats.
        antialiased: Whether they are made for rasterisers that dim what they blur, which the header says.
    """
    count = len(splats)
    positions = splats.means * torch.tensor(_AXES)
    fraction = _fraction_bits(positions)
    fixed = (positions.double() * 2**fraction).round().to(torch.int64).numpy() & (2**_BITS - 1)
    bytes_of_fixed = np.stack([fixed, fixed >> 8, fixed >> 16], axis=-1) & 255
    signs = torch.tensor(FLIPPED)[:, None]
    sh = splats.sh * signs
    parts = [
        bytes_of_fixed,
        _codes(255 * splats.opacity),
        _codes(255 * (_COLOR_RANGE * sh[:, 0] + 0.5)),
        _codes(16 * (splats.scales.log() + 10)),
        np.full(count, _IDENTITY, "<u4").view(np.uint8),
        _codes(128 * sh[:, 1:] + 128),
    ]
    header = struct.pack(_HEADER, _MAGIC, _VERSION, count, _DEGREE, fraction, int(antialiased), 0)
    with path.open("wb") as raw, gzip.GzipFile(MADE_BY, "wb", _LEVEL, raw, mtime=0) as file:
        file.write(header)
        for part in parts:
            file.write(part.astype(np.uint8).tobytes())


def read_spz(path: Path) -> Splats:
    """Read what `write_spz` wrote."""
    with gzip.open(path) as file:
        content = file.read()
    _, _, count, _, fraction, _, _ = struct.unpack_from(_HEADER, content)
    values = np.frombuffer(content, np.uint8, offset=struct.calcsize(_HEADER))
    sizes = [9 * count, count, 3 * count, 3 * count, 4 * count, 3 * (NUM_HARMONICS - 1) * count]
    fixed, opacity, color, scales, _, rest = np.split(values, np.cumsum(sizes)[:-1])
    places = fixed.reshape(-1, 3).astype(np.int64) @ np.array([1, 1 << 8, 1 << 16])
    places = np.where(places >= 1 << (_BITS - 1), places - (1 << _BITS), places).reshape(-1, 3)
    sh = torch.cat(
        [
            ((_values(color) / 255 - 0.5) / _COLOR_RANGE).view(count, 1, 3),
            ((_values(rest) - 128) / 128).view(count, NUM_HARMONICS - 1, 3),
        ],
        dim=1,
    )
    return Splats(
        torch.from_numpy(places / 2**fraction).float() * torch.tensor(_AXES),
        (_values(scales).view(count, 3) / 16 - 10).exp(),
        _values(opacity) / 255,
        sh * torch.tensor(FLIPPED)[:, None],
    )


def is_earlier_export(path: Path) -> bool:
    """Return whether this package wrote a file."""
    flags, name = 3, 10  # places in gzip's header; its flag 8 says that there is a name
    with path.open("rb") as file:
        begin = file.read(64)
    return (
        begin[:2] == b"\x1f\x8b" and begin[flags] == 8 and begin[name:].startswith(MADE_BY.encode() + b"\0")
    )


def _fraction_bits(positions: Float[Tensor, "splat 3"]) -> int:
    """Return how many bits of a coordinate are left for the fraction, without an overflow."""
    largest = max(1.0, float(positions.abs().max()) * 1.01)
    return _BITS - 1 - math.ceil(math.log2(largest))


def _codes(values: Tensor) -> np.ndarray:
    return values.round().clamp(0, 255).numpy()


def _values(codes: np.ndarray) -> Tensor:
    return torch.from_numpy(codes.astype(np.float32))
