"""A web server that gives out the files of a few folders and nothing else."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from typing_extensions import override

# Kinds of files that are served. Browsers refuse modules of another type, and nosniff makes them trust it.
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".png": "image/png",
    ".bin": "application/octet-stream",
}
_INDEX = "index.html"
_LONGEST = 60  # characters of a name in a message
# A header ``Host``: a name, an IPv4 address or an IPv6 address in brackets, and perhaps a port.
_HOST = re.compile(r"(\[[^\[\]]*\]|[^:]*)(:[0-9]*)?", re.ASCII)


def find_file(target: str, roots: Mapping[str, Path]) -> Path | None:
    """Return the file that a request asks for.

    Args:
        target: Of the request: a path, encoded as in addresses, and perhaps a query.
        roots: Folders by the first part of the path; "" for all other files.

    Returns:
        A file of a known kind inside one of the folders, after links are resolved; None for anything else.
    """
    try:
        path = unquote(urlsplit(target).path, errors="strict")
    except ValueError:
        return None
    first, _, rest = path.removeprefix("/").partition("/")
    prefix, inside = (first, rest) if first in roots and first else ("", path.removeprefix("/"))
    parts = (inside or _INDEX).split("/")
    # Only plain names: no "..", no hidden files, and no separator of any system.
    if not path.startswith("/") or any(
        not part or part.startswith(".") or set(part) & set("\\:\0") for part in parts
    ):
        return None
    root = roots[prefix].resolve()
    found = root.joinpath(*parts).resolve()
    if not found.is_relative_to(root) or found.suffix not in _TYPES or not found.is_file():
        return None
    return found


def is_loopback(host: str) -> bool:
    """Return whether a header ``Host`` names this computer itself, on any port and in any capitals.

    The port isn't compared: browsers leave 80 out, and a tunnel (``ssh -L``, an editor's forwarded ports) has
    a port of its own. A site elsewhere can't take any of these names.
    """
    matched = _HOST.fullmatch(host.strip())
    if matched is None:
        return False
    name = matched[1].lower()
    if name.removesuffix(".") == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name[1:-1] if name.startswith("[") else name)
    except ValueError:
        return False
    bracketed = isinstance(address, ipaddress.IPv6Address)
    return bracketed == name.startswith("[") and address.is_loopback


class _Handler(BaseHTTPRequestHandler):
    server: ViewServer
    server_version = "normnex"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = 30  # seconds that a silent connection is kept

    def do_GET(self) -> None:
        """Send a file."""
        self._answer(with_content=True)

    def do_HEAD(self) -> None:
        """Send what `do_GET` would, without the content."""
        self._answer(with_content=False)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the browser's own tools show its requests."""

    def _answer(self, with_content: bool) -> None:
        hosts = self.headers.get_all("Host", [""])
        if unknown := [host for host in hosts if not self.server.knows(host)]:
            self.send_error(HTTPStatus.FORBIDDEN, explain=_advice(unknown[0]))
            return
        path = find_file(self.path, self.server.roots)
        try:
            content = None if path is None else path.read_bytes()
        except OSError:
            content = None
        if path is None or content is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", _TYPES[path.suffix])
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if with_content:
            self.wfile.write(content)


class ViewServer(ThreadingHTTPServer):
    """Serve folders at an address of this computer.

    Args:
        address: Address and port; port 0 takes a free one.
        roots: See `find_file`.
    """

    daemon_threads = True
    # Otherwise a second server could take over the port of the first one on some systems.
    allow_reuse_port = False

    def __init__(self, address: tuple[str, int], roots: Mapping[str, Path]) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)
        self.roots = dict(roots)
        self.address = str(self.server_address[0])  # numeric, even if a name was given

    @property
    def url(self) -> str:
        """Address of the viewer."""
        name = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{name}:{self.server_port}/"

    def knows(self, host: str) -> bool:
        """Return whether a request is meant for this server, by its header ``Host``.

        On the loopback address only its own names count: a site elsewhere whose name resolves to this address
        (DNS rebinding) can't read the files through a visitor's browser.
        """
        return not ipaddress.ip_address(self.address).is_loopback or is_loopback(host)


def _advice(host: str) -> str:
    """Explain why a request is refused, with advice."""
    shown = host if len(host) <= _LONGEST else f"{host[:_LONGEST]}..."
    return (
        f"Expected a name of this computer (localhost, 127.0.0.1 or [::1]), found {shown or 'none'}. Open "
        "localhost instead, or start the viewer with --address=0.0.0.0 (normnex view RUN --address=0.0.0.0), "
        "which answers to every name and is in reach of other computers"  # a full stop follows
    )
