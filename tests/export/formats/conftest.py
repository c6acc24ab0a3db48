"""A demo run for all formats, and a browser with the programs that open them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from export.formats.page import MODULES, ExportPage

# The same run, scene and browser as the viewer's tests have.
from export.viewer.conftest import bakes, browser, scene  # noqa: F401


@pytest.fixture(scope="session")
def run(bakes: Callable[[str], object]) -> Path:  # noqa: F811
    """Return the folder of a trained and baked run of the demo."""
    folder: Path = bakes("normnex_transmittance").folder.parent
    return folder


@pytest.fixture(scope="session")
def modules() -> Path:
    """Return the folder of npm's packages; skip the test if they aren't installed."""
    if not (MODULES / "three").is_dir():
        pytest.skip("no packages of npm: run npm ci in tests/")
    return MODULES


@pytest.fixture
def page(browser: Browser, modules: Path) -> Iterator[ExportPage]:  # noqa: F811
    """Yield a page with three.js and Spark."""
    page = ExportPage(browser, modules)
    yield page
    page.close()
