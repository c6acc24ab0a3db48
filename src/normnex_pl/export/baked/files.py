"""Read and write the files of a baked multiplane image, checked by their sizes and digests."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import write_json
from normnex_pl.export.baked.manifest import FORMAT, VERSION, FileEntry, Manifest
from normnex_pl.training.run_folder import RunFolder

MANIFEST = "manifest.json"
AGAIN = "Bake the run again (normnex bake RUN)."
_MANIFEST = TypeAdapter(Manifest)
_LONGEST = 60  # characters of a value in a message


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a baked multiplane image.

    Raises:
        UserError: There is none, it is damaged, or it is of another format or version.
    """
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
        header = json.loads(content)
    except FileNotFoundError:
        raise UserError(f"{path}: expected a baked multiplane image, found none. {AGAIN}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: expected JSON, found a damaged file ({error}). {AGAIN}") from None
    # Before anything else: another version may differ in anything.
    found = header.get("format") if isinstance(header, dict) else type(header).__name__
    if found != FORMAT:
        raise UserError(f"{path}: expected the format {FORMAT}, found {_shown(found)}. {AGAIN}")
    version = header.get("version")
    if version != VERSION:
        advice = "Update normnex_pl." if isinstance(version, int) and version > VERSION else AGAIN
        raise UserError(f"{path}: expected version {VERSION}, found {_shown(version)}. {advice}")
    try:
        return _MANIFEST.validate_json(content)
    except ValidationError as error:
        found = first_error(error)
        raise UserError(
            f"{path}: expected the entries of its version, found others ({found}). {AGAIN}"
        ) from None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a baked multiplane image."""
    write_json(folder / MANIFEST, _MANIFEST.dump_python(manifest, mode="json"))


def describe_file(path: Path) -> FileEntry:
    """Return the manifest's entry of a file."""
    content = path.read_bytes()
    return FileEntry(file=path.name, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def read_file(folder: Path, entry: FileEntry) -> bytes:
    """Read a file that the manifest names.

    Raises:
        UserError: It is missing, or isn't what was baked.
    """
    path = folder / entry.file
    try:
        content = path.read_bytes()
    except OSError:
        raise UserError(f"{path}: expected a file of {entry.bytes} bytes, found none. {AGAIN}") from None
    if len(content) != entry.bytes or hashlib.sha256(content).hexdigest() != entry.sha256:
        raise UserError(
            f"{path}: expected {entry.bytes} bytes as they were baked, found a damaged file of "
            f"{len(content)}. {AGAIN}"
        )
    return content


def first_error(error: ValidationError) -> str:
    """Name the first entry that isn't as expected, and what is there instead."""
    first = error.errors(include_url=False)[0]
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    value = first["input"]
    found = f", found {_shown(value)}" if value is None or isinstance(value, (str, int, float)) else ""
    return f"{name.lstrip('.')}: {message}{found}" if name else message


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
            f"{folder}: expected a baked multiplane image, found none. Bake it first: normnex bake {run}"
        )
    read_manifest(folder)
    return folder


def copy_image(folder: Path, target: Path) -> None:
    """Copy a baked multiplane image and nothing else of its folder.

    Args:
        folder: The image; all of its files are checked.
        target: An empty folder.

    Raises:
        UserError: A file is missing, or isn't what was baked.
    """
    manifest = read_manifest(folder)
    for entry in manifest.files:
        (target / entry.file).write_bytes(read_file(folder, entry))
    shutil.copyfile(folder / MANIFEST, target / MANIFEST)


def _shown(value: Any) -> str:
    """Return a value as text that fits a message."""
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
