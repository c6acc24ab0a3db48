"""Show a baked multiplane image in the browser, or write a web site of it."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import replacing_folder
from normnex_pl.export.baked.files import MANIFEST, copy_image
from normnex_pl.export.baked.presenting import allow_origins
from normnex_pl.export.site.server import ViewServer
from normnex_pl.export.targets import expect_new_or_empty

VIEWER = Path(__file__).parent.parent / "viewer"
LOOPBACK = "127.0.0.1"
_PORT = 8008
_PORTS = range(1 << 16)
# An address in use, or one that only an administrator may take.
_TAKEN = (errno.EADDRINUSE, errno.EACCES)


def export_site(baked: Path, target: Path, origins: tuple[str, ...] = ()) -> Path:
    """Write a folder for any static host: the viewer, and the image in ``mpi/``.

    Args:
        baked: The image; all of its files are checked.
        target: A new or empty folder, or a site that was exported before, which is replaced.
        origins: Of the pages that may control the viewer which they embed; by default those that the image
            names.

    Raises:
        UserError: The target holds something else, a file of the image is missing or damaged, or an origin
            isn't one.
    """
    written_before = (target / "index.html").is_file() and (target / "mpi" / MANIFEST).is_file()
    if not written_before:
        expect_new_or_empty(target)
    with replacing_folder(target) as temporary:
        shutil.copytree(VIEWER, temporary, dirs_exist_ok=True)
        (temporary / "mpi").mkdir()
        copy_image(baked, temporary / "mpi")
        if origins:
            allow_origins(temporary / "mpi", origins)
    return target


def make_server(baked: Path, address: str, port: int | None) -> ViewServer:
    """Return a server of the viewer and one image, already listening.

    Args:
        baked: The image.
        address: Of this computer.
        port: None for the default port, or any free one if that is taken.

    Raises:
        UserError: The address or the port isn't available.
    """
    if port is not None and port not in _PORTS:
        raise UserError(f"--port: expected 0 to {_PORTS[-1]}, found {port}.")
    roots = {"": VIEWER, "mpi": baked}
    ports = [_PORT, 0] if port is None else [port]
    for candidate in ports:
        try:
            return ViewServer((address, candidate), roots)
        except OSError as error:
            if candidate == ports[-1] or error.errno not in _TAKEN:
                raise UserError(
                    f"--address={address} --port={candidate}: expected an address of this computer and a "
                    f"free port, found: {error.strerror or error}."
                ) from None
    raise AssertionError("unreachable")
