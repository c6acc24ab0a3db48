"""Photos of a real scene, at half the size that they have."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from capture.conftest import call
from capture.rendering import align
from normnex_pl.data.readers.llff import LLFFReader


@pytest.mark.slow
def test_poses_of_fern_are_those_that_come_with_it(fern: Path, tmp_path: Path) -> None:
    words = (fern / "images_4", tmp_path / "fern", "--longest", "504")
    status, output = call(*words)
    assert status == 0, output
    report = json.loads((tmp_path / "fern" / "report.json").read_text())
    assert report["registered"] == 20
    assert report["mean_reprojection_error"] < 1
    assert report["warnings"] == []
    found = LLFFReader().read(tmp_path / "fern", None)
    shipped = LLFFReader().read(fern, None)
    scale, rotation, shift = align(found.c2w[:, :, 3], shipped.c2w[:, :, 3])
    places = scale * found.c2w[:, :, 3] @ rotation.T + shift
    extent = np.linalg.norm(np.ptp(shipped.c2w[:, :, 3], axis=0))
    # Those that come with it leave the distortion of the lens out, so that they can't be quite the same.
    assert np.linalg.norm(places - shipped.c2w[:, :, 3], axis=1).max() < 0.01 * extent
    turned = rotation @ found.c2w[:, :, :3]
    cosines = (np.einsum("vij,vij->v", turned, shipped.c2w[:, :, :3]) - 1) / 2
    assert np.degrees(np.arccos(np.clip(cosines, -1, 1))).max() < 1
    np.testing.assert_allclose(scale * found.bounds, shipped.bounds, rtol=0.3)
