"""The viewer's error page, and the recovery from it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.viewer.browser import Baked, Tab


@pytest.fixture
def copy(normnex: Baked, tmp_path: Path) -> Path:
    """Copy the files, so that a test may damage them."""
    return Path(shutil.copytree(normnex.folder, tmp_path / "mpi"))


def edit(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    """Return a function that changes the manifest of a folder."""

    def apply(folder: Path) -> None:
        path = folder / "manifest.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return apply


def truncate(folder: Path) -> None:
    path = folder / "base_color_000.webp"
    path.write_bytes(path.read_bytes()[:-20])


def alter(folder: Path) -> None:
    path = folder / "alpha_000.webp"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (
        lambda f: (f / "features_000_1.webp").unlink(),
        "features_000_1.webp: expected a file, found 404",
    ),
    "missing table": (
        lambda f: (f / "alpha_tiles.bin").unlink(),
        "alpha_tiles.bin: expected a file, found 404",
    ),
    "truncated": (truncate, r"base_color_000.webp: expected "),
    "altered": (alter, "alpha_000.webp: expected the bytes that were baked"),
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "manifest.json: expected a file, found 404"),
    "no JSON": (lambda f: (f / "manifest.json").write_text("{"), "manifest.json: expected JSON"),
    "format": (edit(lambda m: m.update(format="glTF")), 'expected the format normnex-mpi, found "glTF"'),
    "version": (edit(lambda m: m.update(version=3)), "manifest.json: expected version 2, found 3"),
    "entry": (
        edit(lambda m: m["textures"]["alpha"].pop("rows")),
        "manifest.json: expected textures.alpha.rows to be a number, found nothing",
    ),
    "kind": (edit(lambda m: m["color"].update(model="cmyk")), "expected color.model to be rgb or ycbcr or"),
    "counts": (edit(lambda m: m["depths"].pop()), "that fit each other"),
    "elsewhere": (
        edit(lambda m: m["basis"].update(file="../../secret")),
        "manifest.json: expected names of files in its own folder",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_broken_file_is_named(
    name: str, copy: Path, serve: Callable[[Path], str], tab: Callable[..., Tab]
) -> None:
    damage, message = DAMAGE[name]
    damage(copy)
    page = tab(serve(copy), complaints=True, started=False)
    page.until("!document.getElementById('problem').hidden")
    assert page.problem is not None
    assert message in page.problem
    assert "normnex bake RUN" in page.problem or "newer" in page.problem
    assert not page.page.locator("#picture").is_visible()
    assert not page.page.locator("#loading").is_visible()
    assert not any("exception" in line for line in page.said)
    if name == "truncated":
        page.keep("problem")


def test_a_browser_without_webgl_2_is_told_so(
    normnex: Baked, serve: Callable[[Path], str], tab: Callable[..., Tab]
) -> None:
    def without(page: Any) -> None:
        page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")

    page = tab(serve(normnex.folder), prepare=without, started=False)
    page.until("!document.getElementById('problem').hidden")
    assert page.problem is not None
    assert page.problem.startswith("This browser has no WebGL 2")
    assert "graphics acceleration" in page.problem


def test_a_device_with_small_textures_is_told_so(
    normnex: Baked, serve: Callable[[Path], str], tab: Callable[..., Tab]
) -> None:
    def small(page: Any) -> None:
        page.add_init_script(
            "const get = WebGL2RenderingContext.prototype.getParameter;"
            "WebGL2RenderingContext.prototype.getParameter = function (name) {"
            "  return name === this.MAX_TEXTURE_SIZE ? 64 : get.call(this, name); }"
        )

    page = tab(serve(normnex.folder), prepare=small, started=False)
    page.until("!document.getElementById('problem').hidden")
    assert page.problem is not None
    assert "the device can hold" in page.problem


def test_a_page_without_scripts_says_what_it_needs(
    normnex: Baked, serve: Callable[[Path], str], tab: Callable[..., Tab]
) -> None:
    """Disable scripts, as if the page were opened from a file, where browsers load no modules."""

    def refuse(page: Any) -> None:
        page.route("**/*.js", lambda route: route.abort())

    page = tab(serve(normnex.folder), prepare=refuse, complaints=True, started=False)
    page.until("getComputedStyle(document.getElementById('static')).visibility === 'visible'")
    assert "normnex view RUN" in page.page.locator("#static").inner_text()


def test_a_lost_context_comes_back_with_the_picture(
    normnex: Baked, serve: Callable[[Path], str], tab: Callable[..., Tab]
) -> None:
    page = tab(serve(normnex.folder))
    page.look_through(normnex.held_out["view_008"])
    before = page.picture()
    page.run("globalThis.lost = viewer.gl.getExtension('WEBGL_lose_context'); lost.loseContext()")
    page.until("viewer.renderer === null")
    page.run("lost.restoreContext()")
    page.until("viewer.renderer !== null && viewer.loaded")
    np.testing.assert_array_equal(page.picture(), before)
    assert page.problem is None
    # Browsers may say a word of their own about it; the viewer says none.
    page.said[:] = [line for line in page.said if "CONTEXT_LOST_WEBGL" not in line]


def test_images_of_other_sites_are_refused(
    normnex: Baked, serve: Callable[[Path], str], tab: Callable[..., Tab]
) -> None:
    page = tab(f"{serve(normnex.folder)}?mpi=https://example.com/mpi/", started=False)
    page.until("!document.getElementById('problem').hidden")
    assert page.problem is not None
    assert "expected a folder on this site" in page.problem
