"""The folder of intermediate results, from which preparing a scene resumes after it was stopped."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

_KEY_FILE = "made_from"
STAGES = ("frames", "photos", "features", "model")
LOG = "prepare.log"


def hash_of(value: Any) -> str:
    """Hash a value that JSON can represent."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def hash_file(path: Path) -> str:
    """Hash the content of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class WorkFolder:
    """A folder beside the scene, with a subfolder for each stage.

    The key of a stage stands for everything that its result was made from. With another key the stage starts
    over.

    Args:
        scene: The folder that the scene gets.
    """

    def __init__(self, scene: Path) -> None:
        self.path = scene.with_name(f"{scene.name}.prepare")

    @property
    def log(self) -> Path:
        """The file for the output of libraries."""
        self.path.mkdir(parents=True, exist_ok=True)
        return self.path / LOG

    def stage(self, name: str, key: str) -> Path:
        """Return the folder of a stage, emptied if its content was made from something else.

        Args:
            name: One of `STAGES`.
            key: Hash of all that the stage's result depends on.
        """
        folder = self.path / name
        stored = folder / _KEY_FILE
        if not stored.is_file() or stored.read_text(encoding="utf-8") != key:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            stored.write_text(key, encoding="utf-8")
        return folder

    def remove(self) -> None:
        """Delete everything that this class made, and the folder if nothing else is in it."""
        for name in STAGES:
            shutil.rmtree(self.path / name, ignore_errors=True)
        (self.path / LOG).unlink(missing_ok=True)
        if self.path.is_dir() and not any(self.path.iterdir()):
            self.path.rmdir()
