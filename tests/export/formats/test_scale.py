"""The size of a scene in metres."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from normnex_pl.export.baked.image import BakedMPI
from normnex_pl.export.baked.manifest import Manifest
from normnex_pl.export.baked.presentation import PresentationEntry
from normnex_pl.export.formats.scale import metres_per_unit


def taken_from(run: Path, *places: tuple[float, float, float]) -> Manifest:
    """Return the manifest of a run as if its photos had been taken from some places."""
    poses = [np.concatenate([np.eye(3), np.array(place)[:, None]], axis=1) for place in places]
    viewpoints = tuple(tuple(map(tuple, pose.tolist())) for pose in poses)
    return replace(BakedMPI.read(run / "mpi").manifest, viewpoints=viewpoints)


@pytest.mark.parametrize("far", [(1.6, 0.3, 0.0), (0.3, 1.6, 0.0)])
def test_an_unknown_capture_is_40_cm_wide_along_its_longer_side(
    run: Path, far: tuple[float, float, float]
) -> None:
    assert metres_per_unit(taken_from(run, (0, 0, 0), far)) == pytest.approx(0.25)


def test_a_known_scale_counts_whatever_the_capture(run: Path) -> None:
    manifest = taken_from(run, (0, 0, 0), (1, 0, 0))
    known = replace(manifest, presentation=PresentationEntry(metres_per_unit=0.02))
    assert metres_per_unit(known) == 0.02


def test_photos_from_one_place_say_nothing(run: Path) -> None:
    assert metres_per_unit(taken_from(run, (0.5, 0, 0), (0.5, 0, 2))) is None
