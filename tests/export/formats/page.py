"""A page that opens exports by three.js and Spark, in a browser."""

from __future__ import annotations

import base64
import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Route

from normnex_pl.core.types import Camera

ROOT = Path(__file__).parents[2]
MODULES = ROOT / "node_modules"
SCREENSHOTS = Path(__file__).parent / "screenshots"
_HOST = "http://exports.invalid"  # no such host: all requests are answered here
_TYPES = {".js": "text/javascript", ".html": "text/html"}
_PATIENCE = 120  # seconds
_HTML = """<!doctype html>
<script type="importmap">{"imports": {
  "three": "/three/build/three.module.js", "three/addons/": "/three/examples/jsm/",
  "@sparkjsdev/spark": "/@sparkjsdev/spark/dist/spark.module.js"
}}</script>
<script type="module" src="/open.js"></script>
"""


class ExportPage:
    """A page of one picture."""

    def __init__(self, browser: Browser, modules: Path) -> None:
        self._modules = modules
        self._context = browser.new_context()
        self._context.route(f"{_HOST}/**", self._answer)
        self.said: list[str] = []
        self.page = self._context.new_page()
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"exception: {error}"))
        self.page.goto(f"{_HOST}/")
        self._until("window.ready === true")

    def open_glb(self, path: Path, camera: Camera, metres: float) -> dict[str, Any]:
        """Load a file by three.js' GLTFLoader and draw it; return what was found in it."""
        found: dict[str, Any] = self.page.evaluate(
            "args => openGLB(...args)", [_text(path), seen(camera, metres)]
        )
        return found

    def open_splats(self, path: Path, camera: Camera, turned: bool, classic: bool) -> dict[str, Any]:
        """Load a file by Spark and draw it.

        Args:
            path: The file.
            camera: Where to look from.
            turned: Whether to turn the splats from x right, y down to x right, y up.
            classic: Whether to blur as the original rasteriser does.
        """
        arguments = [_text(path), path.name, seen(camera, 1.0), turned, classic]
        found: dict[str, Any] = self.page.evaluate("args => openSplats(...args)", arguments)
        return found

    def picture(self) -> NDArray[np.float64]:
        """Return what is drawn, in [0, 1]."""
        url = self.page.evaluate("snapshot()")
        content = base64.b64decode(url.partition(",")[2])
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")) / 255

    def keep(self, name: str) -> None:
        """Save what is drawn for people."""
        SCREENSHOTS.mkdir(exist_ok=True)
        Image.fromarray((self.picture() * 255).round().astype(np.uint8)).save(SCREENSHOTS / f"{name}.png")

    def close(self) -> None:
        self._context.close()

    def _answer(self, route: Route) -> None:
        path = route.request.url.removeprefix(_HOST)
        if path == "/":
            route.fulfill(body=_HTML, content_type="text/html")
        elif path == "/open.js":
            route.fulfill(path=Path(__file__).with_name("open.js"), content_type="text/javascript")
        elif (file := self._modules / path.lstrip("/")).is_file():
            route.fulfill(path=file, content_type=_TYPES.get(file.suffix, "application/octet-stream"))
        else:
            route.fulfill(status=404, body="")

    def _until(self, condition: str) -> None:
        end = time.monotonic() + _PATIENCE
        while not self.page.evaluate(condition):
            assert time.monotonic() < end, f"not within {_PATIENCE} s: {condition}; {self.said}"
            time.sleep(0.05)


def seen(camera: Camera, metres: float) -> dict[str, Any]:
    """Return a camera for three.js: its matrix in axes x right, y up, z back, and its projection."""
    flip = torch.diag(torch.tensor([1.0, -1, -1]))
    pose = torch.eye(4)
    pose[:3, :3] = flip @ camera.c2w[:, :3] @ flip
    pose[:3, 3] = metres * flip @ camera.c2w[:, 3]
    K = camera.K
    near, far = 0.001, 1000.0
    projection = torch.zeros(4, 4)
    projection[0, 0], projection[1, 1] = 2 * K[0, 0] / camera.width, 2 * K[1, 1] / camera.height
    projection[0, 2] = 1 - 2 * K[0, 2] / camera.width
    projection[1, 2] = 2 * K[1, 2] / camera.height - 1
    projection[2, 2], projection[2, 3] = -(far + near) / (far - near), -2 * far * near / (far - near)
    projection[3, 2] = -1
    return {
        "width": camera.width,
        "height": camera.height,
        "pose": pose.flatten().tolist(),
        "projection": projection.flatten().tolist(),
    }


def _text(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")
