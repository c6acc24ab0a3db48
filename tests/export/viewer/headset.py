"""An emulated headset for the viewer, and a scene whose depths are known."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from playwright.sync_api import Page

from cli.helpers import ROOT
from export.viewer.browser import SCREENSHOTS, Baked, Pixels, Tab
from normnex_pl.core.types import MPIGeometry
from normnex_pl.export.baked.pipeline import BakeSettings, bake
from normnex_pl.export.site.publish import make_server
from normnex_pl.geometry.layout import PlaneLayout
from normnex_pl.model.appearance import NeuralBasis, NoNormals, OpaqueLastPlane, RGBColor, ViewQuery
from normnex_pl.model.fields import GridField
from normnex_pl.model.mpi import MPI
from support.small import moved, reference_camera

EMULATOR = ROOT / "tests" / "node_modules" / "iwer" / "build" / "iwer.min.js"
IPD = 0.063  # metres, of the emulated headset
CAPTURE = 0.6  # units of the world, from the leftmost camera to the rightmost one
METRES = 0.4 / CAPTURE  # a unit, where the capture is taken as 40 cm wide
# A wall in front of the left half of another one.
WALLS = MPIGeometry(
    fx=90.0, fy=90.0, cx=48.0, cy=36.0, width=96, height=72, padding=8, near=1.5, far=6.0, spacing="disparity"
)
SURE = 20.0  # a raw opacity that is 1


def headset(modes: Sequence[str] = ("inline", "immersive-vr", "immersive-ar")) -> Callable[[Page], None]:
    """Return a function that gives a page a headset, which scripts reach as `device`."""
    if not EMULATOR.is_file():
        pytest.skip(f"no emulator of headsets: {EMULATOR} is missing (npm ci --prefix tests)")
    device = f"{{...IWER.metaQuest3, supportedSessionModes: {list(modes)}}}"
    script = (
        f"{EMULATOR.read_text()};\n"
        f"window.device = new IWER.XRDevice({device}, {{stereoEnabled: true, ipd: {IPD}}});\n"
        "device.installRuntime({forceInstall: true});"
    )

    def install(page: Page) -> None:
        page.add_init_script(script)

    return install


def bake_walls(folder: Path) -> Baked:
    """Bake two walls with random patterns, at the depths `near` and `far`."""
    torch.manual_seed(0)
    layout = PlaneLayout(WALLS, 2, 1)
    basis = NeuralBasis(ViewQuery(), num_basis=1)
    mpi = MPI(layout, partial(GridField, divisors=(1,)), RGBColor(), basis, NoNormals(), OpaqueLastPlane())
    with torch.no_grad():
        alpha, colors = mpi.field.alpha[0], mpi.field.base_color.raw
        alpha.fill_(-SURE)
        alpha[0, :, : alpha.shape[-1] // 2] = SURE
        spots = torch.randn(2, 3, colors.shape[-2] // 3, colors.shape[-1] // 3)
        colors.copy_(2 * F.interpolate(spots, colors.shape[-2:], mode="bicubic"))
    camera = reference_camera(WALLS)
    cameras = [moved(camera, x) for x in (0, -CAPTURE / 2, CAPTURE / 2)]
    bake(
        mpi.requires_grad_(False),
        cameras,
        folder,
        BakeSettings(threshold=0.0, tolerance=0.0),
        {"scene": "walls"},
    )
    return Baked(folder, {"left": cameras[1]})


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a baked image, and yield the viewer's address."""
    server = make_server(folder, "127.0.0.1", 0)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server.url
    server.shutdown()
    server.server_close()


def enter(page: Tab, kind: str = "vr") -> None:
    page.run(f"document.getElementById('enter-{kind}').click()")
    page.until("viewer.immersion.eyes.length === 2")


def leave(page: Tab) -> None:
    page.run("device.activeSession?.end()")
    page.until("viewer.immersion.session === null")
    page.settle()


def after(page: Tab, script: str, frames: int = 3) -> list[dict[str, Any]]:
    """Run a script, wait for some frames, and return what the eyes then see."""
    eyes: list[dict[str, Any]] = page.run(
        f"""async () => {{
          {script};
          for (let i = 0; i < {frames}; i++) await new Promise(requestAnimationFrame);
          return viewer.immersion.eyes;
        }}"""
    )
    return eyes


def seen(page: Tab, name: str) -> Pixels:
    """Return what both eyes see beside each other, in [0, 1], and save it for people."""
    address: str = page.run(
        """() => new Promise((resolve) => {
          const read = () => resolve(picture.toDataURL());
          viewer.immersion.session.requestAnimationFrame(read);  // after the viewer's own, which was first
        })"""
    )
    content = base64.b64decode(address.partition(",")[2])
    SCREENSHOTS.mkdir(exist_ok=True)
    (SCREENSHOTS / f"{name}.png").write_bytes(content)
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")) / 255


def places(eyes: Sequence[dict[str, Any]]) -> Pixels:
    """Return the positions of the eyes in the reference frame."""
    return np.array([eye["camera"]["c2w"] for eye in eyes])[:, :, 3]


def middle(eyes: Sequence[dict[str, Any]]) -> Pixels:
    """Return the position of the head in the reference frame."""
    head: Pixels = places(eyes).mean(axis=0)
    return head


def disparity(left: Pixels, right: Pixels, centre: tuple[float, float], size: int = 24) -> float:
    """Measure by how many pixels a part of the left picture lies further right than in the right picture.

    Args:
        left: Grey picture.
        right: Likewise.
        centre: Column and row of the part in the left picture.
        size: Of the part, in each direction from its centre.
    """
    column, row = (round(value) for value in centre)
    rows = slice(row - size, row + size)
    columns = np.arange(column - size, column + size)
    part = left[rows, columns]
    candidates = np.arange(-5, 45, 0.1)
    everywhere = np.arange(right.shape[1])
    errors = [
        np.mean([(np.interp(columns - shift, everywhere, line) - seen) ** 2
                 for line, seen in zip(right[rows][::4], part[::4], strict=True)])
        for shift in candidates
    ]  # fmt: skip
    return float(candidates[int(np.argmin(errors))])
