"""Weights belong to their planes: the same up to rounding, and no others."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import MPIGeometry
from normnex_pl.training.run_weights import check_geometry
from support.small import GEOMETRY

LISTED = (GEOMETRY.near, 1.7, 2.0, 5.0, GEOMETRY.far)


def stored(folder: Path, geometry: MPIGeometry) -> Path:
    """Write a checkpoint that has no weights."""
    path = folder / "last.ckpt"
    torch.save({"hyper_parameters": {"geometry": asdict(geometry)}, "state_dict": {}}, path)
    return path


def scaled(geometry: MPIGeometry, factor: float) -> MPIGeometry:
    """Return the geometry with other listed depths."""
    assert not isinstance(geometry.spacing, str)
    depths = tuple(factor * depth for depth in geometry.spacing)
    return replace(geometry, near=depths[0], far=depths[-1], spacing=depths)


def test_listed_depths_may_differ_by_rounding(tmp_path: Path) -> None:
    geometry = replace(GEOMETRY, spacing=LISTED)
    path = stored(tmp_path, geometry)
    check_geometry(path, geometry)
    check_geometry(path, scaled(geometry, 1 + 1e-5))
    for other in (scaled(geometry, 1.01), GEOMETRY, replace(geometry, fx=GEOMETRY.fx + 1)):
        with pytest.raises(UserError, match=r"last\.ckpt: expected weights that were trained on this scene"):
            check_geometry(path, other)
    shorter = replace(geometry, spacing=LISTED[:2] + LISTED[3:])
    with pytest.raises(UserError, match=r"geometry\.spacing"):
        check_geometry(path, shorter)


def test_uniform_planes_may_not_differ(tmp_path: Path) -> None:
    path = stored(tmp_path, GEOMETRY)
    check_geometry(path, GEOMETRY)
    check_geometry(path, replace(GEOMETRY, near=1.5 * (1 + 1e-15)))  # through other units
    with pytest.raises(UserError, match=r"geometry\.near: 1\.5 there, 1\.5000\d+ now"):
        check_geometry(path, replace(GEOMETRY, near=1.5 * (1 + 1e-5)))
