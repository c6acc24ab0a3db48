"""A page in a real browser, and its pictures as arrays."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright
from torch import Tensor

from normnex_pl.core.types import Camera
from normnex_pl.export.baked.image import BakedMPI

# Every eighth of ten views of the demo scene, which no training sees.
HELD_OUT = {"view_000": 0, "view_008": 8}
SCREENSHOTS = Path(__file__).parent / "screenshots"
MODES = ("full", "diffuse", "specular", "normals", "depth", "alpha")
DESKTOP, PHONE = (1280, 800), (360, 740)
PATIENCE = 60  # seconds
# For a root user in a container without a graphics card; unconverted colours, no background requests.
FLAGS = (
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--force-color-profile=srgb",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
)

Pixels = NDArray[np.float64]

__all__ = ["Browser"]


@dataclass(frozen=True)
class Baked:
    """A baked image.

    Attributes:
        folder: Its files.
        held_out: Cameras that it wasn't trained on, by name.
    """

    folder: Path
    held_out: dict[str, Camera]

    def read(self) -> BakedMPI:
        return BakedMPI.read(self.folder)

    @property
    def cameras(self) -> dict[str, Camera]:
        """The reference camera, and those of the held-out views."""
        any_view = next(iter(self.held_out.values()))
        reference = Camera(any_view.K, torch.eye(3, 4), any_view.width, any_view.height)
        return {"reference": reference, **self.held_out}


@contextmanager
def open_browser(program: str, flags: Sequence[str]) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(flags))
        yield browser
        browser.close()


class Tab:
    """A page with the viewer.

    Args:
        browser: It gets a context of its own.
        url: Address of the viewer.
        size: Size of the window.
        phone: Whether it has touch and no mouse.
        prepare: Called with the page before it loads anything.
        complaints: Whether messages on the console are expected.
        started: Whether to wait until everything is loaded.
        others: Addresses of other sites that may be contacted.
        density: Pixels of the screen along one of the page.
    """

    def __init__(
        self,
        browser: Browser,
        url: str,
        size: tuple[int, int] = DESKTOP,
        phone: bool = False,
        prepare: Callable[[Page], Any] | None = None,
        complaints: bool = False,
        started: bool = True,
        others: Sequence[str] = (),
        density: float = 1,
    ) -> None:
        viewport = {"width": size[0], "height": size[1]}
        self.context = browser.new_context(
            viewport=viewport,
            reduced_motion="reduce",
            has_touch=phone,
            is_mobile=phone,
            device_scale_factor=density,
        )
        self.sites = [origin_of(url), *others]
        self.url, self.complaints = url, complaints
        self.touching = False
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"exception: {error}"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        if prepare is not None:
            prepare(self.page)
        self.page.goto(url)
        if started:
            self.until("window.viewer?.loaded === true || !document.getElementById('problem').hidden")
            assert self.problem is None, self.problem
            self.settle()

    def run(self, script: str, argument: Any = None) -> Any:
        return self.page.evaluate(script, argument)

    def until(self, condition: str) -> None:
        """Wait for a condition; the page's policy forbids Playwright's own ways of waiting."""
        end = time.monotonic() + PATIENCE
        while not self.run(condition):
            assert time.monotonic() < end, f"not within {PATIENCE} s: {condition}; {self.said}"
            time.sleep(0.02)

    def settle(self) -> None:
        """Wait until the picture is stable at its full resolution."""
        self.run("window.viewer.settled()")

    @cached_property
    def devtools(self) -> CDPSession:
        """A session of the DevTools protocol, for commands that Playwright lacks."""
        return self.context.new_cdp_session(self.page)

    @property
    def problem(self) -> str | None:
        """The text of the error page, if it is shown."""
        section = self.page.locator("#problem")
        return section.inner_text() if section.is_visible() else None

    def look_through(self, camera: Camera) -> None:
        """Set a camera; the canvas takes its size."""
        K = camera.K.tolist()
        self.run(
            "camera => window.viewer.setCamera(camera)",
            {
                **{"fx": K[0][0], "fy": K[1][1], "cx": K[0][2], "cy": K[1][2]},
                **{"width": camera.width, "height": camera.height, "c2w": camera.c2w.tolist()},
            },
        )

    def show(self, mode: str = "full", gain: float = 1.0, planes: Sequence[object] = ("all",)) -> None:
        self.run("mode => viewer.setMode(mode)", mode)
        self.run("gain => viewer.setGain(gain)", gain)
        self.run("planes => viewer.setPlanes(...planes)", list(planes))

    def picture(self) -> Pixels:
        """Capture the screen in the area of the canvas, without overlays, in [0, 1]."""
        self.settle()
        self.run(
            "picture.style.borderRadius = 0; picture.style.zIndex = 1; picture.style.position = 'relative'"
        )
        content = self.page.locator("#picture").screenshot()
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")) / 255

    def camera(self) -> dict[str, Any]:
        """Return the viewer's camera."""
        shown: dict[str, Any] = self.run("viewer.camera")
        return shown

    @property
    def position(self) -> Pixels:
        """Position of the camera in the reference frame."""
        return np.array(self.camera()["c2w"])[:, 3]

    def keep(self, name: str) -> None:
        """Save a screenshot for people."""
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")

    def close(self) -> None:
        self.context.close()
        if not self.complaints:
            assert self.said == [], self.said
        known = tuple(prefix + site for site in self.sites for prefix in ("", "blob:"))
        assert [url for url in self.asked if not url.startswith(known)] == []


def origin_of(url: str) -> str:
    """Return the beginning of all addresses of a site."""
    return "/".join(url.split("/")[:3]) + "/"


def psnr(image: Pixels, truth: Tensor | Pixels) -> float:
    error = np.mean((image - np.asarray(truth)) ** 2)
    return float(-10 * np.log10(max(error, 1e-12)))
