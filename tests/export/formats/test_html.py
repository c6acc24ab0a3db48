"""One HTML file, opened from disk by a browser without a network."""

from __future__ import annotations

import io
import logging
import re
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser

from export.formats.page import SCREENSHOTS
from export.viewer.browser import psnr
from normnex_pl.export.baked.image import BakedMPI
from normnex_pl.export.baked.renderers import render_image
from normnex_pl.export.formats import html
from normnex_pl.export.formats.html import HTMLFormat
from normnex_pl.export.formats.stereo import middle_camera
from normnex_pl.export.site.one_file import embed
from normnex_pl.export.site.publish import VIEWER

PATIENCE = 90


@pytest.mark.parametrize("quality", [None, 60])
def test_the_page_works_from_disk_and_asks_for_nothing(
    quality: int | None, run: Path, tmp_path: Path, browser: Browser
) -> None:
    file = HTMLFormat(quality).write(run, tmp_path / "a scene.html")
    context = browser.new_context(
        offline=True, viewport={"width": 900, "height": 640}, reduced_motion="reduce"
    )
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    end = time.monotonic() + PATIENCE
    while not page.evaluate("window.viewer?.loaded === true || !document.getElementById('problem').hidden"):
        assert time.monotonic() < end, said
        time.sleep(0.1)
    assert not page.locator("#problem").is_visible(), page.locator("#problem").inner_text()
    baked = BakedMPI.read(run / "mpi")
    camera = middle_camera(baked)
    K = camera.K.tolist()
    seen = {"fx": K[0][0], "fy": K[1][1], "cx": K[0][2], "cy": K[1][2], "c2w": camera.c2w.tolist()}
    page.evaluate(
        "camera => viewer.setCamera(camera)", seen | {"width": camera.width, "height": camera.height}
    )
    page.evaluate("viewer.settled()")
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"html_{quality}.png")
    page.evaluate(
        "picture.style.borderRadius = 0; picture.style.zIndex = 1; picture.style.position = 'relative'"
    )
    picture = np.asarray(Image.open(io.BytesIO(page.locator("#picture").screenshot())).convert("RGB")) / 255
    context.close()
    assert said == []
    assert [url for url in asked if not url.startswith((file.as_uri(), "data:", "blob:"))] == []
    expected = HTMLFormat(quality).open(file, torch.device("cpu"))(camera)
    assert psnr(picture, expected.clamp(0, 1)) > 40
    if quality is None:
        torch.testing.assert_close(expected, render_image(baked, camera)["rgb"])


def test_a_lower_quality_is_smaller_and_close(run: Path, tmp_path: Path) -> None:
    device = torch.device("cpu")
    camera = middle_camera(BakedMPI.read(run / "mpi"))
    files = {q: HTMLFormat(q).write(run, tmp_path / f"{q}.html") for q in (None, 90, 30)}
    sizes = [files[q].stat().st_size for q in (None, 90, 30)]
    assert sizes == sorted(sizes, reverse=True)
    whole, good, poor = (HTMLFormat(q).open(files[q], device)(camera) for q in (None, 90, 30))
    assert psnr(good.numpy(), whole) > psnr(poor.numpy(), whole) > 20


def test_no_file_beside_the_page_is_left_to_load() -> None:
    page = embed(VIEWER, {"manifest.json": b"{}"})
    assert re.findall(r'(?:src|href)="(?!data:)[^"]*"', page) == []
    assert "default-src 'none'" in page
    assert "'self'" not in page.split("</head>")[0].split("Content-Security-Policy")[1].split(">")[0]


def test_a_large_page_is_warned_of(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    HTMLFormat().write(run, tmp_path / "small.html")
    assert caplog.records == []
    monkeypatch.setattr(html, "_LARGE", 1000)
    with caplog.at_level(logging.WARNING):
        HTMLFormat(80).write(run, tmp_path / "large.html")
    (record,) = caplog.records
    assert re.search(r"large\.html: \d+ MB, more than .* --quality=65", record.getMessage())
