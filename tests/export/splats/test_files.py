"""Files of splats, and their round trips."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from normnex_pl.export.splats.ply import read_ply, write_ply
from normnex_pl.export.splats.splats import Splats
from normnex_pl.export.splats.spz import LIMIT, STEPS, is_earlier_export, read_spz, write_spz


def some_splats(count: int = 50) -> Splats:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator)

    rest = (2 * draw(count, 8, 3) - 1) * LIMIT
    steps = torch.tensor([STEPS[0]] * 3 + [STEPS[1]] * 5)[:, None]
    sh = torch.cat([2 * draw(count, 1, 3) - 1, (rest / steps).round() * steps], dim=1)
    return Splats(40 * draw(count, 3) - 20, draw(count, 3) / 50 + 1e-3, 0.98 * draw(count) + 0.01, sh)


def test_ply_keeps_everything(tmp_path: Path) -> None:
    splats = some_splats()
    write_ply(tmp_path / "a.ply", splats)
    found = read_ply(tmp_path / "a.ply")
    for name in ("means", "scales", "opacity", "sh"):
        torch.testing.assert_close(getattr(found, name), getattr(splats, name))


def test_ply_has_the_properties_of_splattings_trainer(tmp_path: Path) -> None:
    write_ply(tmp_path / "a.ply", some_splats(3))
    header, _, body = (tmp_path / "a.ply").read_bytes().partition(b"end_header\n")
    lines = header.decode().splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    assert "element vertex 3" in lines
    names = [line.split()[-1] for line in lines if line.startswith("property float")]
    assert names[:9] == ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"]
    assert names[9:33] == [f"f_rest_{i}" for i in range(24)]
    assert names[33:] == ["opacity", *(f"scale_{i}" for i in range(3)), *(f"rot_{i}" for i in range(4))]
    assert len(body) == 3 * 4 * len(names)


def test_ply_lists_the_coefficients_of_a_channel_after_the_other(tmp_path: Path) -> None:
    splats = some_splats(1)
    write_ply(tmp_path / "a.ply", splats)
    values = np.frombuffer((tmp_path / "a.ply").read_bytes()[-4 * 41 :], "<f4")
    np.testing.assert_allclose(values[9:17], splats.sh[0, 1:, 0])
    np.testing.assert_allclose(values[17:25], splats.sh[0, 1:, 1])


def test_spz_keeps_everything_within_its_steps(tmp_path: Path) -> None:
    splats = some_splats()
    write_spz(tmp_path / "a.spz", splats, antialiased=True)
    found = read_spz(tmp_path / "a.spz")
    assert float((found.means - splats.means).abs().max()) <= 2**-18 + 1e-6
    assert float((found.scales.log() - splats.scales.log()).abs().max()) <= 1 / 32 + 1e-4
    assert float((found.opacity - splats.opacity).abs().max()) <= 0.5 / 255 + 1e-6
    assert float((found.sh[:, 0] - splats.sh[:, 0]).abs().max()) <= 0.5 / 255 / 0.15 + 1e-6
    torch.testing.assert_close(found.sh[:, 1:], splats.sh[:, 1:])


@pytest.mark.parametrize("antialiased", [False, True])
def test_spz_has_the_header_and_the_axes_of_its_description(tmp_path: Path, antialiased: bool) -> None:
    splats = some_splats(7)
    write_spz(tmp_path / "a.spz", splats, antialiased)
    content = gzip.decompress((tmp_path / "a.spz").read_bytes())
    magic, version, count, degree, bits, flags, reserved = struct.unpack_from("<IIIBBBB", content)
    assert (magic, version, count, degree, flags, reserved) == (0x5053474E, 3, 7, 2, int(antialiased), 0)
    assert len(content) == 16 + 7 * (9 + 1 + 3 + 3 + 4 + 24)
    y = int.from_bytes(content[16 + 3 : 16 + 6], "little", signed=True) / 2**bits
    assert y == pytest.approx(-float(splats.means[0, 1]), abs=2**-bits)  # up, not down


def test_only_own_files_are_earlier_exports(tmp_path: Path) -> None:
    write_spz(tmp_path / "a.spz", some_splats(2), antialiased=False)
    assert is_earlier_export(tmp_path / "a.spz")
    (tmp_path / "b.spz").write_bytes(gzip.compress(b"NGSP", mtime=0))
    (tmp_path / "c.spz").write_bytes(b"")
    assert not is_earlier_export(tmp_path / "b.spz")
    assert not is_earlier_export(tmp_path / "c.spz")
