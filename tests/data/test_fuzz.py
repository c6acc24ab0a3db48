"""Damaged scenes of every kind: a scene, or one message; never a traceback, and nothing written.

Bytes, keys and values of a small valid scene are changed. A scene that is read without a warning or a message
has the views of the undamaged one: what a count, a shape or a name in the files can tell isn't misread.

`FUZZ_EXAMPLES=5000 pytest tests/data/test_fuzz.py` tries so many of each kind, at random.
"""

from __future__ import annotations

import copy
import io
import json
import logging
import math
import os
import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.layouts import LAYOUTS, captured, write_llff
from data.synthetic import assert_valid
from normnex_pl.core.errors import UserError
from normnex_pl.data.planes.automatic import AutomaticPlanes
from normnex_pl.data.readers.auto import AnyKind
from normnex_pl.data.scene.load import load_scene

_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
_PHOTO_ENDINGS = (".png", ".jpg")
_JSON_FILES = {"spaces": "models.json", "nerfstudio": "transforms.json"}
_ARRAYS = {"llff": "poses_bounds.npy", "shiny": "hwf_cxcy.npy"}


def fuzz(examples: int) -> settings:
    """Return settings for so many examples, the same in each run; for more at random where asked for."""
    return settings(
        max_examples=_EXAMPLES or examples,
        derandomize=not _EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@dataclass(frozen=True)
class Files:
    """A valid scene: the content of its files by relative path, and the names of its views."""

    content: dict[str, bytes]
    names: tuple[str, ...]

    @property
    def readable(self) -> list[str]:
        """The files that a reader parses."""
        return sorted(name for name in self.content if not name.endswith(_PHOTO_ENDINGS))

    def write(self, root: Path, changes: dict[str, bytes]) -> None:
        """Write the scene with some files replaced."""
        for name, content in (self.content | changes).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)


def with_planes(write: Callable[[Path, Any], Path]) -> Callable[[Path, Any], Path]:
    """Return a writer that adds the lists and the planes that all kinds of scenes may have."""

    def written(root: Path, scene: Any) -> Path:
        write(root, scene)
        (root / "planes.txt").write_text("1.2 9.5 1 30  # near, far\nreference view_001\n# because\n")
        (root / "val_image.txt").write_text("view_000\n")
        return root

    return written


def llff_with_points(root: Path, scene: Any) -> Path:
    """Write poses of LLFF beside the points that they come from."""
    return write_llff(LAYOUTS["colmap text"](root, scene), scene)


KINDS = {**LAYOUTS, "llff points": llff_with_points, "llff planes": with_planes(write_llff)}


def read_files(root: Path) -> dict[str, bytes]:
    """Return the content of all files below a folder."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def counted(files: dict[str, bytes]) -> dict[str, bytes]:
    """Give the text files of a model the comment by which COLMAP counts their entries."""
    counts = {
        "cameras.txt": b"cameras: 1",
        "images.txt": b"images: 3, mean: 7",
        "points3D.txt": b"points: 12",
    }
    return {
        name: b"# Number of " + counts[Path(name).name] + b"\n" + content
        if Path(name).name in counts
        else content
        for name, content in files.items()
    }


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Files]:
    """Return a valid scene of 3 views of each kind."""
    scene = captured(3)
    small = replace(scene, points=scene.points[:12])
    found = {}
    for kind, write in KINDS.items():
        root = write(tmp_path_factory.mktemp("scene"), small)
        found[kind] = Files(counted(read_files(root)), tuple(Path(name).stem for name in scene.names))
    return found


class Recorder(logging.Handler):
    """Handler that keeps the logged warnings."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        self.messages.append(record.getMessage())


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    """Return the warnings of the readers."""
    handler = Recorder()
    logging.getLogger("normnex_pl").addHandler(handler)
    yield handler
    logging.getLogger("normnex_pl").removeHandler(handler)


def try_it(files: Files, changes: dict[str, bytes], recorder: Recorder) -> bool:
    """Read a damaged scene, and check what it owes whoever gives it.

    Returns:
        Whether it was read as if nothing had happened.
    """
    recorder.messages.clear()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "scene"
        files.write(root, changes)
        before = read_files(root)
        try:
            scene = load_scene(root, None, AnyKind(), AutomaticPlanes())
        except UserError as refused:
            message: str | None = str(refused)
        else:
            message = None
            assert_valid(scene)
        assert read_files(root) == before
        if message is not None:
            assert folder in message or message.startswith("depth bounds")
            assert "\n" not in message
            return False
    if not recorder.messages and files.names:
        assert tuple(view.name for view in scene.views) == files.names
    return not recorder.messages


@st.composite
def damages(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Draw a change of bytes: some replaced, removed, inserted, repeated or exchanged, or the rest cut."""
    place, size = draw(st.floats(0, 1)), draw(st.integers(1, 40))
    kind = draw(st.sampled_from(["replace", "remove", "insert", "repeat", "swap", "cut", "digit", "line"]))
    inserted = draw(
        st.binary(min_size=1, max_size=8) | st.sampled_from([b"\n", b"\0", b" ", b"-", b"#", b"9", b"e"])
    )

    def damage(data: bytes) -> bytes:
        start = int(place * max(0, len(data) - 1))
        part, rest = data[start : start + size], data[start + size :]
        lines = data.split(b"\n")
        return {
            "replace": data[:start] + inserted + data[start + len(inserted) :],
            "remove": data[:start] + rest,
            "insert": data[:start] + inserted + data[start:],
            "repeat": data[:start] + part + part + rest,
            "swap": data[:start] + rest[:size] + part + rest[size:],
            "cut": data[:start],
            "digit": data[:start] + bytes([48 + size % 10]) + data[start + 1 :],
            "line": b"\n".join(line for i, line in enumerate(lines) if i != int(place * (len(lines) - 1))),
        }[kind]

    return damage


@fuzz(150)
@given(kind=st.sampled_from(sorted(KINDS)), file=st.integers(0, 20), change=damages())
def test_files_with_changed_bytes(
    scenes: dict[str, Files],
    recorder: Recorder,
    kind: str,
    file: int,
    change: Callable[[bytes], bytes],
) -> None:
    files = scenes[kind]
    name = files.readable[file % len(files.readable)]
    try_it(files, {name: change(files.content[name])}, recorder)


SCALARS = (
    *(
        None,
        True,
        False,
        0,
        -3,
        1,
        7,
        10**20,
        0.5,
        -0.25,
        1e-320,
        1e300,
        math.nan,
        math.inf,
        "",
        "3",
        "x.png",
    ),
    *("a" * 300, "a" * 5000, "..", "/", "images/view_001.png", "images", "\0", "\ud800"),
)
KNOWN_KEYS = (
    *("w", "h", "fl_x", "fl_y", "cx", "cy", "k1", "k3", "k4", "is_fisheye", "camera_model", "camera_angle_x"),
    *("ply_file_path", "frames", "file_path", "transform_matrix", "train_filenames", "test_filenames"),
    *("ftheta_p0", "distortion_params", "mask_path", "relative_path", "projection_type", "focal_length"),
    *("radial_distortion", "position", "orientation", "principal_point", "pixel_aspect_ratio", "width"),
)


def junk(rng: random.Random) -> Any:
    """Return a scalar, or a list or an object of some."""
    some = [rng.choice(SCALARS) for _ in range(rng.randint(0, 5))]
    return rng.choice([rng.choice(SCALARS), rng.choice(SCALARS), some, [some], {"w": some}, {"": None}])


def holders(value: Any) -> list[Any]:
    """Return all objects and lists in a JSON value, itself included."""
    if not isinstance(value, (dict, list)):
        return []
    children = value.values() if isinstance(value, dict) else value
    return [value, *(holder for child in children for holder in holders(child))]


def change_json(content: Any, rng: random.Random) -> None:
    """Remove, replace, add or repeat something in a JSON value."""
    found = holders(content)
    # Objects are fewer than lists of numbers, and matter more.
    objects = [holder for holder in found if isinstance(holder, dict)]
    holder = rng.choice(objects if objects and rng.random() < 0.5 else found)
    action = rng.choice(["remove", "replace", "add", "repeat"])
    if isinstance(holder, list):
        place = rng.randrange(max(1, len(holder)))
        old = holder[place : place + 1]
        new = {"remove": [], "replace": [junk(rng)], "add": [junk(rng), *old], "repeat": [*old, *old]}
        holder[place : place + 1] = copy.deepcopy(new[action])
        return
    key = rng.choice(sorted(holder) or ["w"])
    if action == "remove":
        holder.pop(key, None)
    elif action == "repeat":
        holder[rng.choice(KNOWN_KEYS)] = copy.deepcopy(holder.get(key))
    else:
        holder[key if action == "replace" else rng.choice(KNOWN_KEYS)] = junk(rng)


@fuzz(60)
@given(kind=st.sampled_from(sorted(_JSON_FILES)), seed=st.integers(0, 2**40))
def test_json_files_with_changed_keys(
    scenes: dict[str, Files], recorder: Recorder, kind: str, seed: int
) -> None:
    files, name, rng = scenes[kind], _JSON_FILES[kind], random.Random(seed)
    content = json.loads(files.content[name])
    for _ in range(rng.randint(1, 2)):
        change_json(content, rng)
    # A frame less is another scene, which nothing in the file contradicts.
    fewer = json.dumps(content).count('_path"') < files.content[name].count(b'_path"')
    try_it(replace(files, names=()) if fewer else files, {name: json.dumps(content).encode()}, recorder)


@fuzz(30)
@given(kind=st.sampled_from(sorted(_ARRAYS)), data=st.data())
def test_arrays_with_changed_numbers_and_shapes(
    scenes: dict[str, Files], recorder: Recorder, kind: str, data: st.DataObject
) -> None:
    files, name = scenes[kind], _ARRAYS[kind]
    array = np.load(io.BytesIO(files.content[name]))
    action = data.draw(st.sampled_from(["number", "rows", "columns", "type", "turn", "flat"]))
    if action == "number":
        array.flat[data.draw(st.integers(0, array.size - 1))] = data.draw(st.floats())
    elif action == "rows":
        array = np.resize(array, (data.draw(st.integers(0, 6)), *array.shape[1:]))
    elif action == "columns":
        array = np.resize(array, (*array.shape[:-1], data.draw(st.integers(0, 20))))
    elif action == "type":
        kinds = ["f2", "f4", ">f8", "i4", "u1", "c16", "U9", "?", "O"]
        with np.errstate(all="ignore"):
            array = array.astype(data.draw(st.sampled_from(kinds)))
    else:
        array = array.T if action == "turn" else array.ravel()
    written = io.BytesIO()
    np.save(written, array)
    try_it(files, {name: written.getvalue()}, recorder)


def cloud(form: str, points: NDArray[np.float64]) -> bytes:
    """Return a PLY file with elements around the vertices; ``form`` as NumPy writes it, or empty for text."""
    name = {"": "ascii", "<": "binary_little_endian", ">": "binary_big_endian"}[form]
    header = f"ply\nformat {name} 1.0\nelement camera 1\nproperty int focal\nelement vertex {len(points)}\n"
    header += "property double x\nproperty double y\nproperty double z\nproperty uchar red\n"
    header += "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
    if not form:
        rows = [" ".join(map(repr, row)) + " 7" for row in points.tolist()]
        return (header + "\n".join(["50", *rows, "3 0 1 2", ""])).encode()
    table = np.zeros(len(points), [("xyz", form + "f8", 3), ("red", "u1")])
    table["xyz"] = points
    around = np.array([50, 0, 1, 2], form + "i4")
    return header.encode() + around[:1].tobytes() + table.tobytes() + b"\3" + around[1:].tobytes()


@pytest.mark.parametrize("form", ["", "<", ">"])
def test_clouds_are_read_before_they_are_damaged(
    scenes: dict[str, Files], recorder: Recorder, form: str
) -> None:
    assert try_it(scenes["nerfstudio"], {"sparse_pc.ply": cloud(form, captured(3).points[:12])}, recorder)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_scenes_are_read_before_they_are_damaged(
    scenes: dict[str, Files], recorder: Recorder, kind: str
) -> None:
    assert try_it(scenes[kind], {}, recorder)


@fuzz(30)
@given(form=st.sampled_from(["", "<", ">"]), change=damages())
def test_clouds_with_changed_bytes(
    scenes: dict[str, Files], recorder: Recorder, form: str, change: Callable[[bytes], bytes]
) -> None:
    try_it(scenes["nerfstudio"], {"sparse_pc.ply": change(cloud(form, captured(3).points[:12]))}, recorder)
