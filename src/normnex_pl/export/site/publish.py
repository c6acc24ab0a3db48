"""Show a baked multiplane image in the browser: ``make view RUN=path``."""

from __future__ import annotations

import argparse
import errno
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import replacing_folder
from normnex_pl.export.baked.manifest import MANIFEST, files_of, read_file, read_manifest
from normnex_pl.export.site.server import ViewServer
from normnex_pl.training.run_folder import RunFolder

VIEWER = Path(__file__).parent.parent / "viewer"
_LOOPBACK = "127.0.0.1"
_PORT = 8008
# An address in use, or one that only an administrator may take.
_TAKEN = (errno.EADDRINUSE, errno.EACCES)


def baked_folder(run: Path) -> Path:
    """Return the baked multiplane image of a run.

    Args:
        run: Folder of the run.

    Raises:
        UserError: There is none, or it is damaged or of another version.
    """
    folder = RunFolder(run).baked
    if not (folder / MANIFEST).is_file():
        raise UserError(
            f"{folder}: expected a baked multiplane image, found none. Bake it first: make bake RUN={run}"
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


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    result = argparse.ArgumentParser(
        prog="view", description="Shows a baked multiplane image in the browser.", allow_abbrev=False
    )
    result.add_argument("--run", type=Path, required=True, help="folder of the run")
    result.add_argument("--port", type=int, help=f"default: {_PORT}, or any free one if that is taken")
    result.add_argument(
        "--address",
        default=_LOOPBACK,
        help=f"default: {_LOOPBACK}, which other computers can't reach; 0.0.0.0 for all of this computer's",
    )
    result.add_argument("--export", type=Path, help="serve nothing, but write a folder for a static web host")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0, or 2 for bad input."""
    options = parser().parse_args(arguments)
    try:
        if options.port is not None and not 0 <= options.port < 1 << 16:
            raise UserError(f"--port: expected 0 to 65535, found {options.port}.")
        baked = baked_folder(options.run)
        if options.export is not None:
            folder = export_site(baked, options.export)
            print(f"{folder} is ready: copy it to any static web host.")  # noqa: T201
            return 0
        server = make_server(baked, options.address, options.port)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    print(f"Look at {server.url} (end with Ctrl-C)", flush=True)  # noqa: T201
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
