"""An exported folder on web hosts that know nothing of the viewer: what works, what is said if not."""

from __future__ import annotations

import gzip
import mimetypes
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest

from export.viewer.browser import Baked, Tab
from normnex_pl.export.site.publish import export_site


@dataclass
class Host:
    """A static web host of a folder.

    Attributes:
        folder: What it serves.
        headers: Sent with every file.
        compress: Whether files travel by gzip, with the length of what travels.
        types: Content types by ending, where they aren't the usual ones.
        refused: Endings that it doesn't know, and answers with 404.
        fallback: A file with which it answers, with status 200, for those that aren't there.
        url: Its address.
    """

    folder: Path
    headers: dict[str, str] = field(default_factory=dict)
    compress: bool = False
    types: dict[str, str] = field(default_factory=dict)
    refused: tuple[str, ...] = ()
    fallback: Path | None = None
    url: str = ""

    def find(self, target: str) -> Path | None:
        path = self.folder / unquote(urlsplit(target).path).lstrip("/")
        path = path / "index.html" if path.is_dir() else path
        if path.suffix in self.refused or not path.is_file():
            return self.fallback
        return path


class _Handler(BaseHTTPRequestHandler):
    host: Host

    def do_GET(self) -> None:
        path = self.host.find(self.path)
        if path is None:
            self.send_error(404)
            return
        content = path.read_bytes()
        usual = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        self.send_response(200)
        self.send_header("Content-Type", self.host.types.get(path.suffix, usual))
        for name, value in self.host.headers.items():
            self.send_header(name, value)
        if self.host.compress:
            content = gzip.compress(content)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    host = Host(tmp_path / "www")
    host.folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"host": host}))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    host.url = f"http://127.0.0.1:{server.server_port}/"
    yield host
    server.shutdown()
    server.server_close()


def test_an_exported_folder_works_on_any_static_host(
    normnex: Baked, host: Host, tab: Callable[..., Tab]
) -> None:
    """Serve it in a folder of the site, and with the image at another place."""
    site = export_site(normnex.folder, host.folder / "scenes" / "demo")
    assert tab(f"{host.url}scenes/demo/").picture().mean() > 0.1
    (site / "mpi").rename(host.folder / "elsewhere")
    assert tab(f"{host.url}scenes/demo/?mpi=../../elsewhere").picture().mean() > 0.1


def test_a_strict_host_and_a_device_without_extensions_show_the_same_picture(
    normnex: Baked, serve: Callable[[Path], str], host: Host, tab: Callable[..., Tab]
) -> None:
    """Compressed files, a strict policy, bytes without a type, and no extension for float textures."""
    export_site(normnex.folder, host.folder / "a b" / "demo")
    host.compress = True
    host.types = dict.fromkeys((".json", ".webp", ".bin"), "application/octet-stream")
    host.headers = {
        "Content-Security-Policy": "default-src 'self'; require-trusted-types-for 'script'",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Cross-Origin-Opener-Policy": "same-origin",
    }

    def without_extensions(page: Any) -> None:
        page.add_init_script(
            "WebGL2RenderingContext.prototype.getExtension = () => null;"
            "WebGL2RenderingContext.prototype.getSupportedExtensions = () => [];"
        )

    camera, pictures = normnex.held_out["view_008"], []
    strict = tab(f"{host.url}a%20b/demo/", prepare=without_extensions)
    for page in (tab(serve(normnex.folder)), strict):
        page.look_through(camera)
        pictures.append(page.picture())
        assert page.problem is None
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert pictures[0].mean() > 0.1


def nothing(_: Path) -> None:
    """Leave the site as it was exported."""


HTML = "a web page, with which the host answers for files that it doesn't have"
FAULTS: dict[str, tuple[dict[str, Any], Callable[[Path], object], tuple[str, ...]]] = {
    "tables are refused": (
        {"refused": (".bin",)},
        nothing,
        (".bin: expected a file, found 404", "end in .bin", "normnex bake RUN"),
    ),
    "pictures are refused": (
        {"refused": (".webp",)},
        nothing,
        ("alpha_000.webp: expected a file, found 404", "have the host serve files that end in .webp"),
    ),
    "a page for a manifest": (
        {"fallback": Path("index.html")},
        lambda site: (site / "mpi" / "manifest.json").unlink(),
        (f"manifest.json: expected a file, found {HTML}", "copy the whole exported folder"),
    ),
    "a page for a picture": (
        {"fallback": Path("index.html")},
        lambda site: (site / "mpi" / "alpha_000.webp").unlink(),
        (f"alpha_000.webp: expected a file, found {HTML}",),
    ),
    "a picture that was converted": (
        {},
        lambda site: (site / "mpi" / "alpha_000.webp").write_bytes(b"RIFF converted"),
        ("alpha_000.webp: expected", "found 14 bytes", "converts files, switch that off"),
    ),
    "modules without a type": (
        {"types": {".js": "application/octet-stream"}},
        nothing,
        (
            "main.js: expected a file of the type text/javascript, found the type application/octet-stream",
            "Have the host send files that end in .js as text/javascript",
        ),
    ),
    "styles of another type": (
        {"types": {".css": "text/plain"}, "headers": {"X-Content-Type-Options": "nosniff"}},
        nothing,
        ("viewer.css: expected a file of the type text/css, found the type text/plain",),
    ),
    "a missing module": (
        {},
        lambda site: (site / "shaders" / "mpi.frag.js").unlink(),
        ("shaders/mpi.frag.js: expected a file of the type text/javascript, found 404", "Copy the whole"),
    ),
    "a page for a module": (
        {"fallback": Path("index.html")},
        lambda site: (site / "pace.js").unlink(),
        (f"pace.js: expected a file of the type text/javascript, found {HTML}", "Copy the whole"),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_host_that_keeps_a_file_back_is_told_which_and_what_to_do(
    name: str, normnex: Baked, host: Host, tab: Callable[..., Tab]
) -> None:
    settings, damage, messages = FAULTS[name]
    site = export_site(normnex.folder, host.folder / "demo")
    damage(site)
    for setting, value in settings.items():
        setattr(host, setting, site / value if setting == "fallback" else value)
    page = tab(f"{host.url}demo/", complaints=True, started=False)
    page.until("!document.getElementById('problem').hidden")
    assert page.problem is not None
    for message in messages:
        assert message in page.problem
    assert not page.page.locator("#picture").is_visible()
    assert not any("exception" in line for line in page.said)
    page.keep(f"host {name}")
