"""The viewer and an image in one HTML file, which needs no server and no network.

Browsers load no modules from disk. The modules are data URLs instead, which an import map gives names; a
module imports others by these names, since a relative address means nothing in a data URL.
"""

from __future__ import annotations

import base64
import json
import posixpath
import re
from collections.abc import Mapping
from pathlib import Path

from normnex_pl.core.errors import UserError

GENERATOR = '<meta name="generator" content="normnex_pl, one file">'
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'; img-src data: blob:; "
    "connect-src data:; base-uri 'none'; form-action 'none'"
)
_META = re.compile(r'<meta http-equiv="Content-Security-Policy"\s+content="[^"]*">')
_MODULE = re.compile(r'<script type="module" src="([^"]+)"></script>')
_SCRIPT = re.compile(r'<script src="([^"]+)"></script>')
_STYLES = re.compile(r'<link rel="stylesheet" href="([^"]+)">')
_ICON = re.compile(r'<link rel="icon" href="([^"]+)" type="([^"]+)">')
_IMPORT = re.compile(r'(\b(?:from|import)\s*\(?\s*)"(\.{1,2}/[^"]+)"')
_FILE = re.compile(
    r'<script type="application/octet-stream" data-file="([A-Za-z0-9_.-]+)">([A-Za-z0-9+/=]*)</script>'
)
_NAMES = "viewer/"  # what the names of all modules begin with


def embed(viewer: Path, files: Mapping[str, bytes]) -> str:
    """Return a page that holds the viewer and the files of an image.

    Args:
        viewer: Folder of the viewer.
        files: Contents by name.
    """
    page = (viewer / "index.html").read_text(encoding="utf-8")

    def read(name: str) -> str:
        return (viewer / name).read_text(encoding="utf-8")

    page = _META.sub(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n  {GENERATOR}', page)
    page = _SCRIPT.sub(lambda found: f"<script>{_inside_script(read(found[1]))}</script>", page)
    page = _STYLES.sub(lambda found: f"<style>{read(found[1])}</style>", page)
    page = _ICON.sub(
        lambda found: f'<link rel="icon" href="{_data_url(read(found[1]), found[2])}" type="{found[2]}">',
        page,
    )
    page = _MODULE.sub(
        lambda found: f'{_import_map(viewer)}\n  <script type="module">import "{_NAMES}{found[1]}";</script>',
        page,
    )
    held = "\n".join(
        f'<script type="application/octet-stream" data-file="{name}">{_base64(content)}</script>'
        for name, content in files.items()
    )
    return page.replace("</body>", f"{held}\n</body>")


def embedded_files(page: str) -> dict[str, bytes]:
    """Return the files of an image that a page holds: the inverse of `embed`.

    Raises:
        UserError: It holds none.
    """
    found = {match[1]: base64.b64decode(match[2]) for match in _FILE.finditer(page)}
    if not found:
        raise UserError(
            "page: expected one with a baked multiplane image inside, found none. Export it again."
        )
    return found


def _import_map(viewer: Path) -> str:
    """Return the element that gives all modules of the viewer their names."""
    modules = {
        _NAMES + path.relative_to(viewer).as_posix(): _data_url(_renamed(path, viewer), "text/javascript")
        for path in sorted(viewer.rglob("*.js"))
    }
    return f'<script type="importmap">{json.dumps({"imports": modules})}</script>'


def _renamed(path: Path, viewer: Path) -> str:
    """Return a module that imports others by their names in the import map."""
    folder = path.relative_to(viewer).parent.as_posix()

    def name(found: re.Match[str]) -> str:
        return f'{found[1]}"{_NAMES}{posixpath.normpath(posixpath.join(folder, found[2]))}"'

    return _IMPORT.sub(name, path.read_text(encoding="utf-8"))


def _inside_script(source: str) -> str:
    """Return source that doesn't end its element: only strings and comments can hold such an end."""
    return source.replace("</script", r"<\/script")


def _data_url(text: str, kind: str) -> str:
    return f"data:{kind};base64,{_base64(text.encode())}"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
