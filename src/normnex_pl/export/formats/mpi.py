"""The baked multiplane image as it is."""

from __future__ import annotations

import shutil
from pathlib import Path

from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import replacing_folder
from normnex_pl.export.baked.manifest import MANIFEST, files_of, read_file, read_manifest
from normnex_pl.export.formats.base import ExportFormat
from normnex_pl.export.site.publish import baked_folder


class BakedFormat(ExportFormat):
    """The manifest and the textures, each checked against the manifest."""

    @override
    def write(self, run_folder: Path, target: Path) -> Path:
        baked = baked_folder(run_folder)
        if target.exists() and not (target / MANIFEST).is_file() and any(target.iterdir()):
            raise UserError(
                f"{target}: expected a new or empty folder, found one with other files. Name another."
            )
        with replacing_folder(target) as temporary:
            for entry in files_of(read_manifest(baked)):
                (temporary / Path(entry["file"]).name).write_bytes(read_file(baked, entry))
            shutil.copyfile(baked / MANIFEST, temporary / MANIFEST)
        return target
