"""Baked images of the demo scene, served to a headless Chromium."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from export.viewer.browser import Baked, Browser, Tab
from normnex_pl.export.site.publish import make_server


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Render with one thread: more would only compete with the browser."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=["nex_rgb", "nex_ycbcr", "normnex_transmittance"])
def baked(request: pytest.FixtureRequest, bakes: Callable[[str], Baked]) -> Baked:
    """Return a baked image, of each kind of model in turn."""
    return bakes(request.param)


@pytest.fixture
def normnex(bakes: Callable[[str], Baked]) -> Baked:
    """Return a baked image with all components."""
    return bakes("normnex_transmittance")


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    """Yield a function that serves a folder as `normnex view` does, and returns its address."""
    servers = []

    def start(folder: Path) -> str:
        server = make_server(folder, "127.0.0.1", 0)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return server.url

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Callable[..., Tab]]:
    """Yield a function that opens pages; check that they log nothing unexpected and contact no other host."""
    tabs: list[Tab] = []

    def open_tab(url: str, **options: object) -> Tab:
        tabs.append(Tab(browser, url, **options))
        return tabs[-1]

    yield open_tab
    for one in tabs:
        one.close()
