"""A mode of the viewer is one entry of modes.js: everything else follows from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Route

from export.viewer.browser import Baked, Tab
from normnex_pl.export.site.publish import VIEWER

# A mode that nothing else knows: how much light passes all planes, in red. Its key is left free for it.
ENTRY = """export const MODES = [
  {
    name: "probe", title: "Probe", key: "9", color: "vec3(1.0 - sums.covered, 0, 0.5)",
    readsFeatures: false, legend: () => "Red where planes let light through",
    missing: ({ background }) => (background === "made up" ? "Never." : null),
  },
"""


@pytest.fixture
def more(normnex: Baked, serve: Callable[[Path], str], tab: Callable[..., Tab]) -> Tab:
    """Open the viewer with an additional mode, selected by the address."""

    def add(route: Route) -> None:
        source = (VIEWER / "modes.js").read_text(encoding="utf-8")
        assert source.count("export const MODES = [\n") == 1
        body = source.replace("export const MODES = [\n", ENTRY)
        route.fulfill(body=body, content_type="text/javascript; charset=utf-8")

    def prepare(page: Any) -> None:
        page.route("**/modes.js", add)

    return tab(f"{serve(normnex.folder)}?mode=probe", prepare=prepare)


def test_one_entry_adds_a_mode_to_panel_legend_address_keys_and_shader(more: Tab, normnex: Baked) -> None:
    page = more.page
    assert page.locator("#mode-probe").is_checked()
    assert page.locator("#legend").inner_text() == "Red where planes let light through"
    more.look_through(normnex.cameras["reference"])
    shown = more.picture()
    assert np.abs(shown[..., 1]).max() == 0
    np.testing.assert_allclose(shown[..., 2], 0.5, atol=1 / 255)
    more.show("alpha")
    np.testing.assert_allclose(1 - more.picture()[..., 0], shown[..., 0], atol=2 / 255)
    assert not page.locator("#mode-probe").is_checked()
    page.locator("#picture").focus()
    page.keyboard.press("9")
    assert page.locator("#mode-probe").is_checked()
    # The modes that were there before have kept their own keys and colours.
    page.keyboard.press("2")
    assert page.locator("#mode-diffuse").is_checked()
    assert "Probe" in page.locator("#modes .choices").inner_text()


def test_what_the_page_says_of_modes_comes_from_their_entries(
    normnex: Baked, serve: Callable[[Path], str], tab: Callable[..., Tab]
) -> None:
    page = tab(serve(normnex.folder))
    modes = page.run(
        """async () => {
          const { MODES } = await import("./modes.js");
          return MODES.map((mode) => ({ ...mode, missing: null, legend: mode.legend(viewer.manifest) }));
        }"""
    )
    for field in ("name", "title", "key"):
        assert len({mode[field] for mode in modes}) == len(modes), field
    buttons = page.page.locator("#modes .choices label").all()
    assert [button.inner_text() for button in buttons] == [mode["title"] for mode in modes]
    for mode in modes:
        page.run("mode => viewer.setMode(mode)", mode["name"])
        legend = page.page.locator("#legend").inner_text()
        expected = mode["legend"]
        texts = [expected] if isinstance(expected, str) else [expected["left"], expected["right"]]
        assert all(text in legend for text in texts), mode["name"]
    page.page.click("summary")
    assert page.page.locator("#mode-keys").inner_text() == f"{modes[0]['key']} to {modes[-1]['key']}"


def test_no_other_file_of_the_viewer_spells_a_mode() -> None:
    """Look for titles of buttons, and for comparisons with modes."""
    for path in VIEWER.rglob("*.*"):
        if path.name == "modes.js":
            continue
        text = path.read_text(encoding="utf-8")
        for title in ("Full", "Diffuse", "Specular", "Depth", "Alpha"):
            assert f'"{title}"' not in text, path.name
            assert f">{title}<" not in text, path.name
        assert "mode ==" not in text, path.name
