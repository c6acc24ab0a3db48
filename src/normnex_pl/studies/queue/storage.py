"""Where a study is stored: a journal on a file system that all workers see, or a PostgreSQL database."""

from __future__ import annotations

import importlib.util
import json
import os
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from sqlalchemy.exc import SQLAlchemyError

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import check_place

JOURNAL = "study.journal"
STORAGE_ERRORS = (StorageInternalError, SQLAlchemyError, OSError, json.JSONDecodeError)
_TAIL = 1_000_000  # bytes of a journal, longer than any line
_DATABASES = ("postgresql", "postgres", "postgresql+psycopg")
_ATTEMPTS = 10  # several workers may create the tables at the same moment
_CONNECT = 10  # seconds


@contextmanager
def open_storage(where: str | None, folder: Path, lease: float) -> Iterator[BaseStorage]:
    """Open a study's storage, and create it if it isn't there; connections are closed in the end.

    Args:
        where: The path of a journal or ``postgresql://...``; None for a journal in ``folder``.
        folder: Of the study's runs.
        lease: Of its trials, in seconds. A lock on the journal that a killed worker has left is broken
            within a sixth of it, while other workers wait.

    Raises:
        UserError: It can't be reached, or it is something else.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if where is None or "://" not in where:
        yield _open_journal(folder / JOURNAL if where is None else Path(where), lease)
        return
    scheme, _, place = where.partition("://")
    if scheme not in _DATABASES:
        raise UserError(
            f"--storage: expected the path of a file or postgresql://user@host/database, found {scheme}://. "
            "Choose one of the two."
        )
    if importlib.util.find_spec("psycopg") is None:
        raise UserError(
            "--storage: expected psycopg, which talks to PostgreSQL, found it missing. Install it: "
            "pip install 'normnex_pl[postgresql]'."
        )
    storage = _open_database(f"postgresql+psycopg://{place}")
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _open_journal(path: Path, lease: float) -> BaseStorage:
    """Open a journal; its lock file is created exclusively, which NFS can do since its version 3."""
    check_place(path.parent)
    place = str(path.resolve())  # the lock, too, lies where the journal is
    lock = JournalFileOpenLock(place, grace_period=max(3, min(30, int(lease / 6))))
    try:
        lock.acquire()
        try:
            _mend(path)
        finally:
            lock.release()
        return JournalStorage(JournalFileBackend(place, lock_obj=lock))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: expected the journal of a study, found something else ({error!r}). Choose another "
            "one (--storage), or move it away: the runs in their folders stay."
        ) from error


def _mend(path: Path) -> None:
    """Cut off a line that a worker was killed in the middle of.

    Raises:
        ValueError: The last line is none of a journal.
    """
    if not path.exists():
        return
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        tail = file.read()
        whole = tail[: tail.rfind(b"\n") + 1]
        if len(whole) < len(tail):
            file.truncate(size - len(tail) + len(whole))
    if lines := whole.splitlines()[-1:]:
        json.loads(lines[0])


def _open_database(url: str) -> RDBStorage:
    for attempt in range(_ATTEMPTS):
        try:
            return RDBStorage(
                url,
                engine_kwargs={"pool_pre_ping": True, "connect_args": {"connect_timeout": _CONNECT}},
            )
        except (StorageInternalError, SQLAlchemyError, ValueError) as error:
            created_meanwhile = any(word in str(error) for word in ("already exists", "duplicate key"))
            if not created_meanwhile or attempt == _ATTEMPTS - 1:
                raise UserError(
                    f"--storage: expected a database that can be reached at {without_password(url)}, found: "
                    f"{_reason(error)}. Check address, user and database, or start it."
                ) from error
            time.sleep(0.2)
    raise AssertionError("unreachable")


def without_password(url: str) -> str:
    """Return the address of a database as one may print it."""
    parts = urllib.parse.urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return f"{parts.scheme.partition('+')[0]}://{user.partition(':')[0]}{at}{host}{parts.path}"


def _reason(error: Exception) -> str:
    """Return the driver's words in one line, without SQL and hints."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return " ".join(lines[0].split()) if lines else type(error).__name__
