"""Splats as PLY, in the layout of 3D Gaussian splatting's own trainer: x right, y down, z forward.

Properties: x, y, z, nx, ny, nz (unused), f_dc_* (the constant harmonic), f_rest_* (all coefficients of red,
then of green, then of blue), opacity (logit), scale_* (logarithm), rot_* (w, x, y, z), little-endian single
precision.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from normnex_pl.export.splats.harmonics import NUM_HARMONICS
from normnex_pl.export.splats.splats import Splats

MADE_BY = "comment normnex_pl"
_REST = 3 * (NUM_HARMONICS - 1)
_NAMES = [
    *("x", "y", "z", "nx", "ny", "nz"),
    *(f"f_dc_{i}" for i in range(3)),
    *(f"f_rest_{i}" for i in range(_REST)),
    "opacity",
    *(f"scale_{i}" for i in range(3)),
    *(f"rot_{i}" for i in range(4)),
]
_END = b"end_header\n"


def write_ply(path: Path, splats: Splats) -> None:
    """Write splats."""
    count = len(splats)
    zeros = torch.zeros(count, 3)
    rest = splats.sh[:, 1:].transpose(1, 2).reshape(count, _REST)  # a channel after the other
    rotation = torch.tensor([1.0, 0, 0, 0]).expand(count, 4)
    columns = [
        *(splats.means, zeros, splats.sh[:, 0], rest),
        *(splats.opacity.logit()[:, None], splats.scales.log(), rotation),
    ]
    header = [
        *("ply", "format binary_little_endian 1.0", MADE_BY, f"element vertex {count}"),
        *(f"property float {name}" for name in _NAMES),
    ]
    with path.open("wb") as file:
        file.write("\n".join(header).encode() + b"\n" + _END)
        file.write(torch.cat(columns, dim=1).numpy().astype("<f4").tobytes())


def read_ply(path: Path) -> Splats:
    """Read what `write_ply` wrote."""
    content = path.read_bytes()
    begin = content.index(_END) + len(_END)
    table = torch.from_numpy(np.frombuffer(content, "<f4", offset=begin).reshape(-1, len(_NAMES)).copy())
    means, _, constant, rest, opacity, scales, _ = table.split([3, 3, 3, _REST, 1, 3, 4], dim=1)
    sh = torch.cat([constant[:, None], rest.view(-1, 3, NUM_HARMONICS - 1).transpose(1, 2)], dim=1)
    return Splats(means, scales.exp(), opacity[:, 0].sigmoid(), sh)
