"""Names of files and folders, and writing them whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from normnex_pl.core.errors import UserError

# File systems allow 255 bytes, and temporary files have longer names than the files that they become.
_LONGEST_NAME = 200


def folder_name(folder: Path) -> str:
    """Return the name of a folder as it was typed: of a link the link's, of ``.`` the working directory's."""
    absolute = folder.absolute()
    return (absolute.resolve() if absolute.name in ("", "..") else absolute).name or "root"


def file_name(stem: str, ending: str) -> str:
    """Return a name that file systems allow: a long stem is cut, and told from others by its hash."""
    whole = os.fsencode(stem)
    if len(whole) + len(ending) <= _LONGEST_NAME:
        return stem + ending
    mark = f"~{hashlib.sha256(whole).hexdigest()[:8]}{ending}"
    return whole[: _LONGEST_NAME - len(mark)].decode(errors="ignore") + mark


def check_place(folder: Path) -> None:
    """Check that files can be written into a folder, which is created: before the work that makes them.

    Raises:
        UserError: It can't be created, or nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".probe-"):
            pass
    except OSError as error:
        raise UserError(
            f"{folder}: expected a place to write to, found none ({error.strerror}). Choose another one, or "
            "change its permissions."
        ) from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` with the same ending, which takes its place on success.

    Raises:
        OSError: Nothing can be written there; it names ``path``.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=_prefix(path), suffix=path.suffix)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def leftovers(path: Path) -> list[Path]:
    """List the temporary files of `replacing` left by processes that were killed while they wrote."""
    begin = _prefix(path)
    if not path.parent.is_dir():
        return []
    return [
        other
        for other in path.parent.iterdir()
        if other.name.startswith(begin) and other.suffix == path.suffix
    ]


def _prefix(path: Path) -> str:
    return f".{file_name(path.stem, '')}-"


def write_text(path: Path, text: str) -> None:
    """Write text in UTF-8."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON.

    Raises:
        ValueError: The value holds NaN or infinity, which JSON has not.
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside ``path``, which takes its place on success.

    Until then the old folder stays as it is. If a process dies between the two renames, the old folder is
    left beside its place, and the next call restores it first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}-old")
    if aside.exists():
        if path.exists():
            shutil.rmtree(aside)
        else:
            aside.rename(path)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    try:
        yield temporary
        temporary.chmod(0o755)
        if path.exists():
            path.rename(aside)
        temporary.rename(path)
        shutil.rmtree(aside, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if aside.exists() and not path.exists():
            aside.rename(path)


def is_whole_archive(path: Path) -> bool:
    """Return whether each record of a ZIP archive has its checksum, which torch does not compare."""
    try:
        with zipfile.ZipFile(path) as records:
            return records.testzip() is None
    except Exception:  # zipfile raises many kinds for damaged archives
        return False
