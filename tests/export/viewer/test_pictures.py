"""The browser's pictures, against the Python renderer of the same files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from export.viewer.browser import Baked, Tab, psnr
from normnex_pl.core.files import write_json
from normnex_pl.core.types import Camera
from normnex_pl.evaluation.pictures.components import depth_picture, grey_picture, normals_picture
from normnex_pl.export.baked.files import describe_file
from normnex_pl.export.baked.image import BakedMPI
from normnex_pl.export.baked.parts import make_background
from normnex_pl.export.baked.renderers import render_image
from normnex_pl.export.baked.tiles import ABSENT

# dB, of 45 that are promised: rounding a picture to 8 bits alone gives 58.9, reading features or tables at
# places that are a little wrong, 50.
AGREEMENT = 52.0
LEVEL = 1 / 255


def shifted(camera: Camera, pixels: float) -> Camera:
    K = camera.K.clone()
    K[0, 2] += pixels
    return Camera(K, camera.c2w, camera.width, camera.height)


@pytest.fixture
def page(baked: Baked, serve: Callable[[Path], str], tab: Callable[..., Tab]) -> Tab:
    return tab(serve(baked.folder))


def test_views_agree_with_python_and_half_a_pixel_would_not(baked: Baked, page: Tab) -> None:
    ours = baked.read()
    assert len(baked.cameras) == 3
    for name, camera in baked.cameras.items():
        truth = render_image(ours, camera)["rgb"]
        page.look_through(camera)
        shown = page.picture()
        assert psnr(shown, truth) >= AGREEMENT, name
        page.look_through(shifted(camera, 0.5))
        assert psnr(page.picture(), truth) < AGREEMENT - 5, name


def test_every_mode_shows_what_python_renders(baked: Baked, page: Tab) -> None:
    ours, camera = baked.read(), baked.held_out["view_008"]
    out = render_image(ours, camera)
    page.look_through(camera)
    expected = {
        "full": out["rgb"],
        "diffuse": out["diffuse"],
        "specular": out["specular"].abs(),
        "depth": depth_picture(out["depth"], ours.geometry) / 255,
        "alpha": grey_picture(out["acc"]) / 255,
    }
    if "normals" in out:
        expected["normals"] = normals_picture(out["normals"], camera.c2w[:, :3]) / 255
    for mode, picture in expected.items():
        page.show(mode)
        # A step of the 256 colours of depths is up to 3 levels high.
        assert np.abs(page.picture() - np.asarray(picture)).mean() < 1.5 * LEVEL, mode
    assert float(expected["specular"].max()) > 0.1
    assert page.page.locator("#mode-normals").is_disabled() == ("normals" not in out)


def test_diffuse_and_specular_make_up_the_picture(baked: Baked, page: Tab) -> None:
    page.look_through(baked.held_out["view_000"])
    shown = {}
    for mode in ("full", "diffuse", "specular"):
        page.show(mode)
        shown[mode] = page.picture()
    change = shown["full"] - shown["diffuse"]
    if not baked.read().color.signed:
        assert change.min() >= -2 * LEVEL
    np.testing.assert_allclose(np.abs(change), shown["specular"], atol=2.01 * LEVEL)


def test_the_gain_scales_the_specular_part_alone(baked: Baked, page: Tab) -> None:
    ours, camera = baked.read(), baked.held_out["view_000"]
    page.look_through(camera)
    page.show("specular", gain=0)
    assert page.picture().max() == 0
    page.show("full", gain=0)
    assert psnr(page.picture(), render_image(ours, camera)["diffuse"]) >= AGREEMENT
    ours.gate *= 2
    page.show("full", gain=2)
    assert psnr(page.picture(), render_image(ours, camera)["rgb"]) >= AGREEMENT


def test_normals_are_of_unit_length(
    normnex: Baked, serve: Callable[[Path], str], tab: Callable[..., Tab]
) -> None:
    page = tab(serve(normnex.folder))
    page.look_through(normnex.cameras["reference"])
    page.show("normals")
    normals = 2 * page.picture() - 1
    lengths = np.linalg.norm(normals, axis=-1)
    assert np.abs(lengths - 1).max() < 2 * np.sqrt(3) * LEVEL
    assert np.ptp(normals, axis=(0, 1)).max() > 0.1  # they differ


def with_planes(folder: Path, first: int, last: int) -> BakedMPI:
    """Read the image with only some of its planes."""
    ours = BakedMPI.read(folder)
    planes = torch.arange(len(ours.depths))
    ours.alpha.slots[(planes < first) | (planes > last)] = ABSENT
    if last < len(ours.depths) - 1:
        ours.background = make_background("clear")
    return ours


def test_planes_are_shown_up_to_one_or_one_alone(
    normnex: Baked, serve: Callable[[Path], str], tab: Callable[..., Tab]
) -> None:
    page, camera = tab(serve(normnex.folder)), normnex.held_out["view_008"]
    page.look_through(camera)
    count = len(normnex.read().depths)
    everything = page.picture()
    for range_, plane, first in (("upto", count - 6, 0), ("only", count, count - 1)):
        page.show(planes=(range_, plane))
        truth = render_image(with_planes(normnex.folder, first, plane - 1), camera)["rgb"]
        assert float(truth.max()) > 0.05
        shown = page.picture()
        assert psnr(shown, truth) >= AGREEMENT, range_
        assert psnr(shown, everything) < 40
    page.show(planes=("upto", count))
    np.testing.assert_array_equal(page.picture(), everything)


def test_bytes_of_textures_arrive_as_they_are_in_png_too(
    normnex: Baked, serve: Callable[[Path], str], tab: Callable[..., Tab], tmp_path: Path
) -> None:
    """Another decoder of the same pixels gives the same picture."""
    camera = normnex.held_out["view_008"]
    pictures = []
    for folder in (normnex.folder, as_png(normnex.folder, tmp_path / "mpi")):
        page = tab(serve(folder))
        page.look_through(camera)
        pictures.append(page.picture())
    np.testing.assert_array_equal(pictures[0], pictures[1])


def as_png(folder: Path, target: Path) -> Path:
    """Copy the image, with its pictures as PNG."""
    shutil.copytree(folder, target)
    manifest = json.loads((target / "manifest.json").read_text())
    for texture in manifest["textures"].values():
        for entry in (entry for page in texture["files"] for entry in page):
            path = target / entry["file"]
            with Image.open(path) as image:
                image.save(path.with_suffix(".png"))
            path.unlink()
            entry.update(asdict(describe_file(path.with_suffix(".png"))))
    write_json(target / "manifest.json", manifest)
    return target
