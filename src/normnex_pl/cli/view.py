"""``normnex view RUN``: a baked run in the browser."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from normnex_pl.core.errors import UserError
from normnex_pl.export.baked.files import baked_folder
from normnex_pl.export.baked.presenting import present, read_presentation
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
        presentation: File of title, text, poster and saved views, as the viewer writes it: it is stored in
            the run's baked image.
        origins: Of the pages that may control the exported viewer which they embed, for example
            https://example.org.
    """

    run: Path
    port: int | None = None
    address: str = LOOPBACK
    export: Path | None = None
    presentation: Path | None = None
    origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise a UserError if options don't fit each other."""
        if self.origins and self.export is None:
            raise UserError(
                "--origins: expected --export=DIR beside it, found none: it concerns exported viewers."
            )


def run(options: Options) -> None:
    """Serve the viewer until Ctrl-C, or write it."""
    baked = baked_folder(options.run)
    if options.presentation is not None:
        present(baked, read_presentation(options.presentation))
    if options.export is not None:
        folder = export_site(baked, options.export, options.origins)
        print(f"{folder} is ready: copy it to any static web host.")  # noqa: T201
        return
    server = make_server(baked, options.address, options.port)
    print(f"Look at {server.url} (end with Ctrl-C)", flush=True)  # noqa: T201
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()  # noqa: T201
