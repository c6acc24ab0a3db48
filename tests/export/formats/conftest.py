"""A demo run for all formats, and a browser with the programs that open them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from export.formats.page import MODULES, ExportPage


@pytest.fixture(scope="session")
def run(bakes: Callable[[str], object]) -> Path:
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
def page(browser: Browser, modules: Path) -> Iterator[ExportPage]:
    """Yield a page with three.js and Spark."""
    page = ExportPage(browser, modules)
    yield page
    page.close()
