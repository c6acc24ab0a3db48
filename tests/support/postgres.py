"""A PostgreSQL server for tests: a real one, in a folder of its own, on a socket that is a file."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

_PROGRAMS = ("initdb", "pg_ctl")
_USER = "postgres"  # the server refuses to run as root


def missing() -> str | None:
    """Return what keeps this machine from running a server, or None."""
    if any(_find(name) is None for name in _PROGRAMS):
        return "needs a PostgreSQL server: apt-get install postgresql"
    return None


class Postgres:
    """Run from entering to leaving the context.

    Attributes:
        url: Of its database.
    """

    def __init__(self) -> None:
        self._exits = ExitStack()

    def __enter__(self) -> Postgres:
        # Not pytest's folders: the path of a socket is short.
        folder = Path(self._exits.enter_context(tempfile.TemporaryDirectory(prefix="pg-")))
        if os.geteuid() == 0:
            shutil.chown(folder, _USER)
        try:
            self._start(folder)
        except BaseException:
            self._exits.close()
            raise
        self.url = f"postgresql://{_USER}@/postgres?host={folder}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exits.close()

    def _start(self, folder: Path) -> None:
        data, log = folder / "data", folder / "log"
        self._run("initdb", f"--pgdata={data}", f"--username={_USER}", "--auth=trust", "--no-sync")
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        self._exits.callback(self._run, "pg_ctl", f"--pgdata={data}", "--mode=immediate", "stop")
        self._run("pg_ctl", f"--pgdata={data}", f"--log={log}", f"--options={options}", "--wait", "start")

    def _run(self, name: str, *arguments: str) -> None:
        program = _find(name)
        assert program is not None
        command: Sequence[str] = (program, *arguments)
        user = _USER if os.geteuid() == 0 else None
        # The server inherits what is open: a pipe would never end.
        done = subprocess.run(
            command,
            user=user,
            group=None if user is None else pwd.getpwnam(user).pw_gid,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, command


def _find(program: str) -> str | None:
    """Return a program; Debian keeps those of the server out of the search path."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(program) or next((str(path / program) for path in folders), None)
