"""The size of a scene in metres."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from normnex_pl.export.baked.manifest import Manifest
from normnex_pl.export.formats.scale import metres_per_unit


def manifest(places: list[tuple[float, float, float]], metres: float | None = None) -> Manifest:
    """Make a manifest of cameras at some places, with or without a known scale."""
    poses = [np.concatenate([np.eye(3), np.array(place)[:, None]], axis=1).tolist() for place in places]
    presentation = None if metres is None else SimpleNamespace(metres_per_unit=metres)
    return cast(Manifest, SimpleNamespace(viewpoints=poses, presentation=presentation))


@pytest.mark.parametrize("axis", [0, 1])
def test_an_unknown_capture_is_40_cm_wide_along_its_longer_side(axis: int) -> None:
    far = [0.0, 0.0, 0.0]
    far[axis], far[1 - axis] = 1.6, 0.3
    assert metres_per_unit(manifest([(0, 0, 0), tuple(far)])) == pytest.approx(0.25)


def test_a_known_scale_counts_whatever_the_capture() -> None:
    assert metres_per_unit(manifest([(0, 0, 0), (1, 0, 0)], metres=0.02)) == 0.02


def test_photos_from_one_place_say_nothing() -> None:
    assert metres_per_unit(manifest([(0.5, 0, 0), (0.5, 0, 2)])) is None
