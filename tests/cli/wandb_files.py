"""Reads what W&B stores of an offline run: LevelDB's log format around W&B's own messages."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

_BLOCK = 32768
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


@dataclass
class StoredRun:
    """A run as it was uploaded, if it were."""

    folder: Path
    id: str = ""
    name: str = ""
    group: str = ""
    project: str = ""
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    artifacts: list[tuple[str, str]] = field(default_factory=list)
    system: set[str] = field(default_factory=set)
    exit_code: int | None = None

    def media(self, value: dict[str, Any]) -> Path:
        """Return the file that a value of the history names."""
        return self.folder / "files" / str(value["path"])


def records(path: Path) -> Iterator[Record]:
    """Return all messages of a ``.wandb`` file, in order."""
    content = path.read_bytes()
    assert content[:4] == b":W&B"
    place, message = 7, b""
    while place + 7 <= len(content):
        left = _BLOCK - place % _BLOCK
        if left < 7:
            place += left
            continue
        _, length, kind = struct.unpack_from("<IHB", content, place)
        message += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (_FULL, _LAST):
            yield Record.FromString(message)
            message = b""
        else:
            assert kind in (_FIRST, _MIDDLE)


def offline_runs(folder: Path) -> list[StoredRun]:
    """Return the runs in a run folder's ``wandb/``, oldest first."""
    places = sorted((folder / "wandb").glob("offline-run-*"), key=lambda path: path.stat().st_mtime)
    return [_read(place) for place in places]


def _read(place: Path) -> StoredRun:
    [path] = place.glob("*.wandb")
    run = StoredRun(place)
    for record in records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run.id, run.name = record.run.run_id, record.run.display_name
            run.group, run.project = record.run.run_group, record.run.project
            run.tags = list(record.run.tags)
            _update(run.config, record.run.config.update)
        elif kind == "config":
            _update(run.config, record.config.update)
        elif kind == "summary":
            _update(run.summary, record.summary.update)
        elif kind == "history":
            row: dict[str, Any] = {}
            _update(row, record.history.item)
            run.history.append(row)
            run.summary |= row
        elif kind == "stats":
            run.system |= {item.key for item in record.stats.item}
        elif kind == "artifact":
            run.artifacts.append((record.artifact.type, record.artifact.name))
        elif kind == "exit":
            run.exit_code = record.exit.exit_code
    return run


def _update(target: dict[str, Any], items: Any) -> None:
    for item in items:
        *parents, key = list(item.nested_key) or [item.key]
        place = target
        for parent in parents:
            place = place.setdefault(parent, {})
        place[key] = json.loads(item.value_json)
