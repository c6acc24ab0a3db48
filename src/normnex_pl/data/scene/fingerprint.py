"""Hashes of everything that a run's result depends on: its configuration, the sources, the scene's data.

Two runs with the same fingerprint would only repeat each other, up to the noise of the hardware. Neither
the places of folders nor times of modification count.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml
from jsonargparse import ArgumentParser

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import write_json
from normnex_pl.core.types import Scene
from normnex_pl.data.photos.folders import photos_below
from normnex_pl.data.planes.planes_file import PLANES_FILE
from normnex_pl.data.readers.auto import AnyKind
from normnex_pl.data.readers.base import SceneReader
from normnex_pl.data.scene.split import TEST_FILE, TRAIN_FILE
from normnex_pl.data.truth import truth_files

# Where a checkout keeps what a run depends on: other files may change without changing a run.
_SOURCES = ("src", "experiments")


def fingerprint(config: str, scene: Path, package: Path = Path(__file__).parents[2]) -> dict[str, str]:
    """Hash what a run depends on.

    Args:
        config: The resolved configuration, as YAML.
        scene: The scene's folder.
        package: The folder of the package's sources, in a checkout or not.

    Returns:
        Hashes called ``config``, ``commit`` and ``data``.

    Raises:
        UserError: The scene isn't there.
    """
    return {"config": _hash_config(config), "commit": _sources(package), "data": _hash_data(config, scene)}


def scene_files(reader: SceneReader, scene: Scene) -> dict[str, str]:
    """Hash each file that a scene was read from: a run keeps them, and knows its scene by them.

    Photos and masks that weren't loaded, such as those of other sizes, don't count. Neither do
    ``planes.txt``, whose effect is the geometry, which a checkpoint holds, and the truth, which no training
    sees.

    Args:
        reader: Has read the scene.
        scene: As it was read.

    Returns:
        Hashes of contents, by paths within the scene's folder.
    """
    lists = filter(Path.is_file, (scene.root / name for name in (TRAIN_FILE, TEST_FILE)))
    others = set(reader.files(scene.root)) - set(photos_below(scene.root))
    files = sorted({*scene.photos, *scene.masks, *others, *lists})
    return {Path(os.path.relpath(path, scene.root)).as_posix(): _hash_file(path) for path in files}


def differing_files(stored: dict[str, str], now: dict[str, str]) -> list[str]:
    """Name the files in which two scenes differ, and how."""
    found = []
    for name in sorted({*stored, *now}):
        if name not in now:
            found.append(f"{name} is missing")
        elif name not in stored:
            found.append(f"{name} is new")
        elif stored[name] != now[name]:
            found.append(f"{name} has another content")
    return found


def differences(stored: dict[str, str] | None, now: dict[str, str]) -> list[str]:
    """Name the hashes that differ from those of a stored fingerprint: all of them, if none is stored."""
    return [name for name, value in now.items() if (stored or {}).get(name) != value]


def read_fingerprint(path: Path) -> dict[str, str] | None:
    """Read a stored fingerprint; None if the file is missing or holds something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def write_fingerprint(path: Path, value: dict[str, str]) -> None:
    """Store a fingerprint, whole or not at all."""
    write_json(path, value)


def _hash_config(config: str) -> str:
    """Hash settings by their values, without those that don't change the result.

    These are the places of the run and the scene, further loggers, and ``weights_only``, which the command
    line sets itself before it writes a run's ``config.yaml``.
    """
    silent = ("weights_only", "loggers")
    settings = {key: value for key, value in yaml.safe_load(config).items() if key not in silent}
    data = {key: value for key, value in settings.get("data", {}).items() if key != "scene"}
    run = {key: value for key, value in settings.get("run", {}).items() if key not in ("root", "folder")}
    text = json.dumps({**settings, "data": data, "run": run}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _sources(package: Path) -> str:
    """Return the commit and a hash of what differs from it; outside a checkout a hash of the sources."""
    top = _git(package, "rev-parse", "--show-toplevel")
    # An installed package may lie in a checkout of something else, which doesn't track it.
    if top is None or _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return _hash_files(package, sorted(package.rglob("*.py")))
    root = Path(top.decode().removesuffix("\n"))
    commit = _git(root, "rev-parse", "--verify", "HEAD")
    others = _git(root, "ls-files", "--others", "--exclude-standard", "-z", "--", *_SOURCES)
    # Without drivers that a user may have set up for pictures and the like: the bytes count.
    changes = _git(root, "diff", "--binary", "--no-ext-diff", "--no-textconv", "HEAD", "--", *_SOURCES)
    if commit is None or others is None or changes is None:  # such as a repository without a commit
        return _hash_files(package, sorted(package.rglob("*.py")))
    name = commit.decode().strip()
    new = [root / path for path in sorted(others.decode().split("\0")) if path]
    if not changes and not new:
        return name
    return f"{name}-dirty-{hashlib.sha256(changes + _hash_files(root, new).encode()).hexdigest()}"


def _hash_data(config: str, scene: Path) -> str:
    """Hash the files that a scene is read from: those of its reader, and those beside them of any kind."""
    if not scene.is_dir():
        raise UserError(f"{scene}: expected a folder with a scene, found none there. Check the path.")
    beside = [scene / name for name in (PLANES_FILE, TRAIN_FILE, TEST_FILE)]
    files = {*_reader(config).files(scene), *filter(Path.is_file, beside), *truth_files(scene)}
    return _hash_files(scene, sorted(files))


def _reader(config: str) -> SceneReader:
    """Return the reader that a configuration names, with its options."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--reader", type=SceneReader | None)
    named = yaml.safe_load(config).get("data", {}).get("reader")
    reader = parser.instantiate(parser.parse_object({"reader": named})).reader
    return reader or AnyKind()


def _hash_files(root: Path, files: Iterable[Path]) -> str:
    """Hash names within ``root``, sizes and contents."""
    total = hashlib.sha256()
    for path in files:
        name = os.fsencode(path.relative_to(root).as_posix())
        total.update(name + f"\0{path.stat().st_size}\0{_hash_file(path)}\n".encode())
    return total.hexdigest()


def _hash_file(path: Path) -> str:
    """Hash the content of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git(folder: Path, *command: str) -> bytes | None:
    """Return what git prints, or None where it is missing or refuses."""
    words: Sequence[str] = ("git", "-C", str(folder), *command)
    try:
        return subprocess.run(words, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
