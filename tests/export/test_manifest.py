"""The manifest of a baked multiplane image: what is read back, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from export.small_models import baked, make
from normnex_pl.core.errors import UserError
from normnex_pl.export.baked.files import describe_file, read_manifest, write_manifest
from normnex_pl.export.baked.image import BakedMPI
from normnex_pl.geometry.cameras import image_rays
from support.small import LAYOUT, reference_camera


def broken(folder: Path, change: str) -> str:
    """Damage a baked folder in some way; return what the message has to say."""
    manifest = json.loads((folder / "manifest.json").read_text())
    picture = folder / manifest["textures"]["alpha"]["files"][0][0]["file"]
    if change == "newer":
        manifest["version"] += 1
    elif change == "format":
        manifest["format"] = "glTF"
    elif change == "entry":
        del manifest["textures"]["alpha"]["rows"]
    elif change == "missing":
        picture.unlink()
    elif change == "truncated":
        picture.write_bytes(picture.read_bytes()[:-20])
    elif change == "altered":
        content = bytearray(picture.read_bytes())
        content[len(content) // 2] ^= 255
        picture.write_bytes(content)
    elif change == "json":
        (folder / "manifest.json").write_text("{")
    elif change == "nothing":
        (folder / "manifest.json").unlink()
    if change in ("newer", "format", "entry"):
        (folder / "manifest.json").write_text(json.dumps(manifest))
    return {
        "newer": r"manifest.json: expected version 2, found 3. Update",
        "format": r"manifest.json: expected the format normnex-mpi, found glTF",
        "entry": r"manifest.json: expected the entries of its version, found others .*rows",
        "missing": r"alpha_000.webp: expected a file of \d+ bytes, found none. Bake the run again",
        "truncated": r"alpha_000.webp: expected \d+ bytes as they were baked, found a damaged file",
        "altered": r"alpha_000.webp: expected \d+ bytes as they were baked, found a damaged file",
        "json": r"manifest.json: expected JSON, found a damaged file",
        "nothing": r"manifest.json: expected a baked multiplane image, found none",
    }[change]


@pytest.mark.parametrize(
    "change", ["newer", "format", "entry", "missing", "truncated", "altered", "json", "nothing"]
)
def test_files_that_are_not_what_was_baked_are_refused(change: str, tmp_path: Path) -> None:
    baked(make("ycbcr"), tmp_path)
    message = broken(tmp_path / "mpi", change)
    with pytest.raises(UserError, match=message):
        BakedMPI.read(tmp_path / "mpi")


ENTRY = r"manifest.json: expected the entries of its version, found others \("
HOSTILE: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "type": (lambda m: m["textures"]["alpha"].update(rows="2"), r"textures\.alpha\.rows: .*integer, found 2"),
    "kind": (lambda m: m["color"].update(model="cmyk"), r"color\.model: .*found cmyk"),
    "path": (
        lambda m: m["textures"]["features"]["files"][0][1].update(file="../secret.png"),
        r"textures\.features\.files\[0\]\[1\]\.file: .*found \.\./secret\.png",
    ),
    "path of the basis": (
        lambda m: m["basis"].update(file="/etc/passwd"),
        r"basis\.file: .*found /etc/passwd",
    ),
    "infinity": (lambda m: m["geometry"].update(near=float("inf")), r"geometry\.near: .*finite"),
    "beyond single precision": (
        lambda m: m["textures"]["alpha"]["ranges"][0].__setitem__(0, [0, 1e300]),
        r"textures\.alpha\.ranges\[0\]\[0\]\[1\]: .*less than or equal",
    ),
    "too near": (lambda m: m["depths"].__setitem__(0, 0.0), r"depths\[0\]: .*greater than or equal"),
    "behind": (lambda m: m["geometry"].update(fx=-1.0), r"geometry\.fx: .*greater than or equal"),
    "planes": (lambda m: m["depths"].pop(), r"depths: expected \d+ x \d+ planes"),
    "layers": (
        lambda m: m["textures"]["base_color"]["ranges"].pop(),
        r"textures\.base_color: table: expected four bytes a tile",
    ),
    "memory": (lambda m: m["textures"]["alpha"].update(slots=10**9), r"textures\.alpha: slots: expected"),
    "pages": (
        lambda m: m["textures"]["alpha"].update(tiles_per_row=10**6),
        r"textures\.alpha: tile: expected pages of at most 4096 texels",
    ),
    "pictures": (
        lambda m: m["textures"]["alpha"]["files"].pop(),
        r"textures\.alpha: files: expected 1 pages",
    ),
    "channels": (
        lambda m: m["textures"]["alpha"]["ranges"][0].append([0, 1]),
        r"textures\.alpha: ranges: expected 1 channels",
    ),
    "table": (lambda m: m["basis"]["shape"].append(2), r"basis: shape: expected 2 axes, found 3"),
    "functions": (lambda m: m["basis"].update(num_basis=4), r"basis: bytes: expected \d+ of a table"),
    "features": (lambda m: m.update(num_color_features=1), r"textures\.features: expected \d+ textures of"),
    "lookup": (lambda m: m["basis"].update(query="reflection"), r"basis: shape: expected 3 axes"),
    "viewpoints": (lambda m: m["viewpoints"][0].pop(), r"viewpoints: expected three rows each"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_manifest_that_contradicts_itself_is_refused_by_the_entry(name: str, tmp_path: Path) -> None:
    """Refuse it before any other file is opened, and before anything large is allocated."""
    baked(make("ycbcr"), tmp_path)
    path = tmp_path / "mpi" / "manifest.json"
    change, message = HOSTILE[name]
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))
    for other in path.parent.iterdir():
        if other != path:
            other.unlink()
    with pytest.raises(UserError, match=f"{ENTRY}{message}"):
        BakedMPI.read(path.parent)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 100_000, "expected JSON, found a damaged file"),
        (b"\xff\xfe{}", "expected JSON, found a damaged file"),
        (b"[]", "expected the format normnex-mpi, found list"),
        (b'{"format": ["normnex-mpi"]}', "expected the format normnex-mpi, found"),
        (b'{"format": "normnex-mpi", "version": true}', "expected version 2, found True"),
        (b'{"format": "normnex-mpi", "version": 9, "depths": 1}', "expected version 2, found 9. Update"),
        (b'{"format": "normnex-mpi", "version": 2}', r"found others \(geometry: Field required\)"),
    ],
)
def test_what_is_no_manifest_is_refused_and_the_version_comes_first(
    content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(UserError, match=f"manifest.json: .*{message}"):
        read_manifest(tmp_path)


def test_a_manifest_survives_a_round_trip(tmp_path: Path) -> None:
    baked(make("normnex"), tmp_path)
    manifest = read_manifest(tmp_path / "mpi")
    write_manifest(tmp_path, manifest)
    assert (tmp_path / "manifest.json").read_bytes() == (tmp_path / "mpi" / "manifest.json").read_bytes()
    assert read_manifest(tmp_path) == manifest


def test_slots_beyond_the_tiles_are_refused(tmp_path: Path) -> None:
    """Change the table of slots, and its digest in the manifest."""
    baked(make("ycbcr"), tmp_path)
    folder = tmp_path / "mpi"
    table, path = folder / "alpha_tiles.bin", folder / "manifest.json"
    for slot in (10**6, 2**32 - 1):
        slots = np.fromfile(table, "<u4")
        slots[0] = slot
        table.write_bytes(slots.tobytes())
        manifest = json.loads(path.read_text())
        manifest["textures"]["alpha"]["table"] = asdict(describe_file(table))
        path.write_text(json.dumps(manifest))
        with pytest.raises(UserError, match=r"alpha_tiles.bin: expected slots of alpha below"):
            BakedMPI.read(folder)


def test_planes_at_listed_depths_are_baked_and_read_back(tmp_path: Path) -> None:
    listed = (LAYOUT.geometry.near, 1.7, 2.0, 5.0, LAYOUT.geometry.far)
    layout = replace(LAYOUT, geometry=replace(LAYOUT.geometry, spacing=listed))
    mpi = make("normnex", layout=layout)
    found = baked(mpi, tmp_path)
    assert found.geometry == layout.geometry
    torch.testing.assert_close(found.depths, mpi.depths)
    rays = image_rays(reference_camera()).split(10_000)[0]
    torch.testing.assert_close(found.render(rays)["rgb"], mpi.render(rays).rgb, atol=0.02, rtol=0)
    # A viewer reads these.
    manifest = json.loads((tmp_path / "mpi" / "manifest.json").read_text())
    assert manifest["depths"] == pytest.approx(mpi.depths.tolist())
    assert manifest["geometry"]["spacing"] == list(listed)
