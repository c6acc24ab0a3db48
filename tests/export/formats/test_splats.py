"""Gaussian splats: opened by Spark, and rendered by a slow renderer."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from export.formats.page import ExportPage
from export.splats.oracle import render_splats
from export.viewer.browser import psnr
from normnex_pl.core.types import Camera
from normnex_pl.export.baked.image import BakedMPI
from normnex_pl.export.baked.renderers import render_image
from normnex_pl.export.formats import FORMATS
from normnex_pl.export.formats.base import NotMeasuredError
from normnex_pl.export.formats.ply import PLYFormat
from normnex_pl.export.formats.spz import SPZFormat
from normnex_pl.export.formats.stereo import middle_camera
from normnex_pl.export.splats.convert import SplatSettings
from normnex_pl.export.splats.ply import read_ply
from normnex_pl.export.splats.rasterisers import RASTERISERS, Rasteriser
from normnex_pl.export.splats.splats import Splats
from normnex_pl.export.splats.spz import read_spz

READERS = {"ply": read_ply, "spz": read_spz}


@pytest.fixture(scope="module")
def files(run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("splats")
    return {name: FORMATS[name].write(run, folder / f"demo.{name}") for name in READERS}


@pytest.mark.parametrize("name", READERS)
def test_spark_shows_what_a_slow_renderer_shows(
    name: str, files: dict[str, Path], run: Path, page: ExportPage
) -> None:
    camera = middle_camera(BakedMPI.read(run / "mpi"))
    splats = READERS[name](files[name])
    found = page.open_splats(files[name], camera, turned=name == "ply", classic=False)
    assert [text for text in page.said if text.startswith(("error", "exception"))] == []
    assert found["splats"] == len(splats)
    stored = splats.means[:3] * torch.tensor([1, 1, 1] if name == "ply" else [1, -1, -1])
    np.testing.assert_allclose(found["centres"], stored.numpy(), rtol=2e-3, atol=2e-3)
    picture = page.picture()
    page.keep(f"spark_{name}")
    expected = render_splats(splats, camera, antialiased=True).clamp(0, 1)
    assert psnr(picture, expected) > 27
    assert psnr(picture[:, ::-1], expected) < 20


@pytest.mark.parametrize("name", READERS)
def test_splats_look_like_the_baked_image(name: str, files: dict[str, Path], run: Path) -> None:
    baked = BakedMPI.read(run / "mpi")
    camera = middle_camera(baked)
    shown = render_splats(READERS[name](files[name]), camera, antialiased=True).clamp(0, 1)
    assert psnr(shown.numpy(), render_image(baked, camera)["rgb"]) > 28


def test_spz_is_a_small_part_of_ply(files: dict[str, Path]) -> None:
    assert files["spz"].stat().st_size < files["ply"].stat().st_size / 5


@pytest.mark.parametrize("rasteriser", RASTERISERS.values(), ids=RASTERISERS)
def test_spz_says_which_rasterisers_it_is_made_for(
    rasteriser: Rasteriser, monkeypatch: pytest.MonkeyPatch, run: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr("normnex_pl.export.formats.splats.convert", lambda *_: _one_splat())
    form = SPZFormat(settings=SplatSettings(rasteriser=rasteriser))
    header = gzip.decompress(form.write(run, tmp_path / "a.spz").read_bytes())[:16]
    assert header[14] == (rasteriser.name == "antialiased")


def _one_splat() -> Splats:
    return Splats(torch.zeros(1, 3), torch.ones(1, 3), torch.full((1,), 0.5), torch.zeros(1, 9, 3))


@pytest.mark.parametrize("kind", [PLYFormat, SPZFormat])
def test_scores_use_the_renderer_that_is_found(
    kind: type[PLYFormat], files: dict[str, Path], run: Path
) -> None:
    name = kind().name
    device = torch.device("cpu")
    with pytest.raises(NotMeasuredError, match="gsplat on a GPU"):
        kind(find=lambda _: None).open(files[name], device)
    asked = []

    def slow(splats: Splats, camera: Camera, rasteriser: Rasteriser) -> Tensor:
        asked.append(rasteriser.name)
        return render_splats(splats, camera, antialiased=True).float()

    camera = middle_camera(BakedMPI.read(run / "mpi"))
    shown = kind(find=lambda _: slow).open(files[name], device)(camera)
    torch.testing.assert_close(
        shown, render_splats(READERS[name](files[name]), camera, antialiased=True).float()
    )
    assert asked == ["antialiased"]
