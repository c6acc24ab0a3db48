"""Show a baked multiplane image in the browser, or write a web site of it."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import replacing_folder
from normnex_pl.export.baked.manifest import FOLDER, MANIFEST, files_of, read_file, read_manifest
from normnex_pl.export.site.server import ViewServer

VIEWER = Path(__file__).parent.parent / "viewer"
LOOPBACK = "127.0.0.1"
_PORT = 8008
_PORTS = range(1 << 16)
# An address in use, or one that only an administrator may take.
_TAKEN = (errno.EADDRINUSE, errno.EACCES)


def baked_folder(run: Path) -> Path:
    """Return the baked multiplane image of a run.

    Args:
        run: Folder of the run.

    Raises:
        UserError: There is none, or it is damaged or of another version.
    """
    folder = run / FOLDER
    if not (folder / MANIFEST).is_file():
        raise UserError(
            f"{folder}: expected a baked multiplane image, found none. Bake it first: normnex bake {run}"
        )
    read_manifest(folder)
    return folder


def export_site(baked: Path, target: Path) -> Path:
    """Write a folder for any static host: the viewer, and the image in ``mpi/``.

    Args:
        baked: The image; all of its files are checked.
        target: A new or empty folder, or one that this wrote before.

    Raises:
        UserError: The target holds something else, or a file of the image is missing or damaged.
    """
    manifest = read_manifest(baked)
    written_before = (target / "index.html").is_file() and (target / "mpi" / MANIFEST).is_file()
    if target.exists() and not written_before and (not target.is_dir() or any(target.iterdir())):
        raise UserError(
            f"{target}: expected a new or empty folder, found one with other files. Name another."
        )
    with replacing_folder(target) as temporary:
        shutil.copytree(VIEWER, temporary, dirs_exist_ok=True)
        image = temporary / "mpi"
        image.mkdir()
        for entry in files_of(manifest):
            (image / Path(entry["file"]).name).write_bytes(read_file(baked, entry))
        shutil.copyfile(baked / MANIFEST, image / MANIFEST)
    return target


def make_server(baked: Path, address: str, port: int | None) -> ViewServer:
    """Return a server of the viewer and one image, which listens already.

    Args:
        baked: The image.
        address: Of this computer.
        port: None for the usual one, or any that is free if that is taken.

    Raises:
        UserError: The address or the port can't be had.
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
