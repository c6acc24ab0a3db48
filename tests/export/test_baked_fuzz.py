"""Baked files with any damage: refused by a message, or read as what they say; and nothing half-written."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from export.small_models import around, make
from normnex_pl.core.errors import UserError
from normnex_pl.export.baked.image import BakedMPI
from normnex_pl.export.baked.pipeline import BakeSettings, bake
from normnex_pl.export.baked.renderers import render_image
from normnex_pl.export.formats.mpi import MPIFormat
from normnex_pl.export.site.publish import export_site
from support.small import reference_camera

fuzz = settings(
    max_examples=28,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NUMBERS = [0, -1, 1, 2, 3, 7, 10**9, 2**31, 2**63, 10**30, 0.5, 1e-300, 1e39, 1e300, -1e300, float("nan")]
TEXTS = ["", ".", "..", "../up", "manifest.json", "basis.bin", "a" * 300, "view", "clear", "x\n", "\0"]
VALUES = st.sampled_from([None, True, False, *NUMBERS, *TEXTS, [], [[]], {}, {"a": 1}])


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a run folder with a baked image that has all optional parts."""
    run = tmp_path_factory.mktemp("original") / "run"
    bake(make("normnex"), around(reference_camera()), run / "mpi", BakeSettings(threshold=0.0), {"steps": 3})
    return run


@pytest.fixture
def place(tmp_path: Path, original: Path) -> Callable[[], Path]:
    """Return a function that makes a fresh copy of the run, alone in its folder."""

    def copy() -> Path:
        shutil.rmtree(tmp_path / "work", ignore_errors=True)
        shutil.copytree(original, tmp_path / "work" / "run")
        return tmp_path / "work" / "run"

    return copy


def outcomes(run: Path) -> Iterator[bool]:
    """Yield whether the image is read, published and exported; check that failures leave only a message."""
    site, target = run.parent / "site", run.parent / "out"
    messages: list[str] = []
    for written, action in (
        (None, lambda: render_image(BakedMPI.read(run / "mpi"), reference_camera())),
        (site, lambda: export_site(run / "mpi", site)),
        (target, lambda: MPIFormat().write(run, target)),
    ):
        before = {path.name for path in run.parent.iterdir()}
        try:
            shown = action()
        except UserError as error:
            messages.append(str(error))
            assert {path.name for path in run.parent.iterdir()} == before
            yield False
        else:
            if isinstance(shown, dict):
                assert all(torch.isfinite(value).all() for value in shown.values())
            assert written is None or written.is_dir()
            yield True
    assert all("expected" in message for message in messages)


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw bytes of which some are changed, lost or added."""
    first = draw(st.integers(0, len(content)))
    last = draw(st.integers(first, min(first + 8, len(content))) | st.just(len(content)))
    return content[:first] + draw(st.binary(max_size=8)) + content[last:]


@fuzz
@given(data=st.data())
def test_a_file_whose_bytes_changed_is_never_read(data: st.DataObject, place: Callable[[], Path]) -> None:
    run = place()
    names = sorted(path.name for path in (run / "mpi").iterdir() if path.name != "manifest.json")
    path = run / "mpi" / data.draw(st.sampled_from(names))
    before = path.read_bytes()
    path.write_bytes(data.draw(damaged(before)))
    same = path.read_bytes() == before
    assert list(outcomes(run)) == [same, same, same]


def places_of(value: Any) -> list[tuple[Any, Any]]:
    """List all entries of a document, as their container and key."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, inner in items for found in ((value, key), *places_of(inner))]


@fuzz
@given(data=st.data())
def test_a_manifest_that_was_changed_is_refused_or_shown(
    data: st.DataObject, place: Callable[[], Path]
) -> None:
    run = place()
    path = run / "mpi" / "manifest.json"
    if data.draw(st.integers(0, 3)) == 0:
        path.write_bytes(data.draw(damaged(path.read_bytes())))
    else:
        manifest = json.loads(path.read_text())
        chosen = data.draw(st.sampled_from(sorted(manifest)))  # else most would be a number of the ranges
        part = {chosen: manifest[chosen]}
        container, key = data.draw(st.sampled_from(places_of(part)))
        match data.draw(st.sampled_from(["set", "set", "remove", "repeat"])):
            case "set":
                container[key] = data.draw(VALUES)
            case "remove":
                del container[key]
            case _:
                container[key] = [container[key], container[key]]
        unchanged = {name: value for name, value in manifest.items() if name != chosen}
        path.write_text(json.dumps(unchanged | part))
    list(outcomes(run))


def signed(folder: Path, name: str, content: bytes) -> None:
    """Replace a file, and its size and digest in the manifest."""
    (folder / name).write_bytes(content)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    for container, key in places_of(manifest):
        if key == "file" and container[key] == name:
            container |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    path.write_text(json.dumps(manifest))


@fuzz
@given(data=st.data())
def test_a_picture_with_a_digest_of_its_own_is_decoded_or_refused(
    data: st.DataObject, place: Callable[[], Path]
) -> None:
    folder = place() / "mpi"
    path = data.draw(st.sampled_from(sorted(folder.glob("*.webp"))))
    signed(folder, path.name, data.draw(damaged(path.read_bytes())))
    list(outcomes(folder.parent))


def png_of(width: int, height: int) -> bytes:
    """Return a PNG whose header states another size than that of its pixels."""
    stream = io.BytesIO()
    Image.new("RGB", (1, 1)).save(stream, "PNG")
    content = bytearray(stream.getvalue())
    content[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    return bytes(content)


@pytest.mark.parametrize("size", [(1 << 30, 1 << 30), (15_000, 15_000), (1, 1 << 31)])
@pytest.mark.filterwarnings("default::PIL.Image.DecompressionBombWarning")
def test_a_picture_that_states_a_huge_size_is_refused(
    size: tuple[int, int], place: Callable[[], Path]
) -> None:
    folder = place() / "mpi"
    signed(folder, "alpha_000.webp", png_of(*size))
    with pytest.raises(UserError, match=r"alpha_000\.webp: expected"):
        BakedMPI.read(folder)
