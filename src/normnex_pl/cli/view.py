"""``normnex view RUN``: a baked run in the browser."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from normnex_pl.export.baked.files import baked_folder
from normnex_pl.export.site.publish import LOOPBACK, export_site, make_server


@dataclass(frozen=True)
class Options:
    """Show a run's baked multiplane image in the browser, or write a folder for a static web host.

    Attributes:
        run: Folder of the run.
        port: To listen on; by default 8008, or any free one if that is taken.
        address: To listen at; the default is out of reach of other computers, 0.0.0.0 stands for all of this
            computer's.
        export: Serve nothing, but write the viewer and the image into this folder.
    """

    run: Path
    port: int | None = None
    address: str = LOOPBACK
    export: Path | None = None


def run(options: Options) -> None:
    """Serve the viewer until Ctrl-C, or write it."""
    baked = baked_folder(options.run)
    if options.export is not None:
        folder = export_site(baked, options.export)
        print(f"{folder} is ready: copy it to any static web host.")  # noqa: T201
        return
    server = make_server(baked, options.address, options.port)
    print(f"Look at {server.url} (end with Ctrl-C)", flush=True)  # noqa: T201
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()  # noqa: T201
