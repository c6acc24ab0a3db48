"""Presentations: files that people edit, the manifest's entry, and what a bake and an export make of them."""

from __future__ import annotations

import base64
import io
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cli.helpers import failure
from normnex_pl.cli.main import main
from normnex_pl.core.errors import UserError
from normnex_pl.core.files import write_json
from normnex_pl.export.baked.files import MANIFEST, read_manifest
from normnex_pl.export.baked.image import BakedMPI
from normnex_pl.export.baked.pipeline import BakeSettings, bake
from normnex_pl.export.baked.presenting import (
    Presentation,
    allow_origins,
    present,
    read_presentation,
    stored_presentation,
)
from normnex_pl.export.site.publish import export_site
from support.small import few, make_mpi, moved, reference_camera

VIEW = {
    "name": "From the left",
    "position": [-0.1, 0, 0.02],
    "zoom": 2,
    "pan": [0.1, 0],
    "mode": "depth",
    "gain": 0.5,
}
CONTENT = {
    "title": "Ein <b>Tisch</b> & mehr",
    "text": "Two lines\nof text.",
    "metres_per_unit": 0.5,
    "start": "From the left",
    "poster": None,
    "origins": ["https://example.org", "http://localhost:8000"],
    "views": [VIEW, {"name": "Front"}],
}


@pytest.fixture(scope="module")
def baked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    camera = reference_camera()
    settings = BakeSettings(threshold=0.0)
    bake(make_mpi("grid"), [camera, moved(camera, 0.1)], folder / "mpi", settings, {"scene": "desk"})
    (folder / "config.yaml").write_text("")
    return folder / "mpi"


@pytest.fixture
def image(baked: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(baked.parent, tmp_path / "run")) / "mpi"


def picture(kind: str, size: tuple[int, int] = (40, 30)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (200, 40, 90)).save(stream, kind)
    return stream.getvalue()


def stored(folder: Path, content: Any) -> Path:
    path = folder / "presentation.json"
    write_json(path, content)
    return path


def test_a_file_is_stored_in_the_image_and_read_back(image: Path, tmp_path: Path) -> None:
    disk = read_manifest(image).bytes.disk
    files = {path.name for path in image.iterdir()}
    manifest = present(image, read_presentation(stored(tmp_path, CONTENT)))
    assert manifest == read_manifest(image)
    content = json.loads((image / MANIFEST).read_text())["presentation"]
    front = {"name": "Front", "position": [0, 0, 0], "zoom": 1, "pan": [0, 0], "mode": "full", "gain": 1}
    assert content == CONTENT | {"views": [VIEW, front]}
    assert manifest.bytes.disk == disk
    assert {path.name for path in image.iterdir()} == files
    BakedMPI.read(image)


def test_images_of_before_are_read(image: Path) -> None:
    content = json.loads((image / MANIFEST).read_text())
    del content["presentation"]
    write_json(image / MANIFEST, content)
    assert read_manifest(image).presentation is None
    assert stored_presentation(image) is None


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("inside", [True, False])
def test_a_poster_becomes_a_webp_that_the_manifest_counts(
    kind: str, inside: bool, image: Path, tmp_path: Path
) -> None:
    content = picture(kind, (2000, 1000))
    (tmp_path / "some picture").write_bytes(content)
    data = f"data:image/{kind.lower()};base64,{base64.b64encode(content).decode()}"
    disk = read_manifest(image).bytes.disk
    file = stored(tmp_path, CONTENT | {"poster": data if inside else "some picture"})
    manifest = present(image, read_presentation(file))
    assert manifest.presentation is not None
    assert manifest.presentation.poster is not None
    poster = image / manifest.presentation.poster.file
    with Image.open(poster) as opened:
        assert (opened.format, opened.size) == ("WEBP", (1280, 640))
        np.testing.assert_allclose(np.asarray(opened).mean((0, 1)), (200, 40, 90), atol=4)
    assert manifest.bytes.disk == disk + poster.stat().st_size
    again = present(image, Presentation(manifest.presentation.__class__()))
    assert not poster.exists()
    assert again.bytes.disk == disk


def test_baking_again_writes_the_presentation_with_the_image(image: Path, tmp_path: Path) -> None:
    file = stored(tmp_path, CONTENT | {"poster": f"data:;base64,{base64.b64encode(picture('PNG')).decode()}"})
    before = present(image, read_presentation(file))
    kept = stored_presentation(image)
    camera, settings = reference_camera(), BakeSettings(threshold=0.0)
    after = bake(make_mpi("grid"), [camera, moved(camera, 0.1)], image, settings, {"scene": "desk"}, kept)
    assert after.presentation == before.presentation
    assert after.bytes == before.bytes
    assert stored_presentation(image) == kept


def test_a_presentation_that_cannot_be_kept_is_not_lost_without_a_word(
    image: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert stored_presentation(tmp_path) is None
    assert caplog.text == ""
    present(image, read_presentation(stored(tmp_path, CONTENT)))
    (image / MANIFEST).write_text("{")
    assert stored_presentation(image) is None
    assert "isn't kept" in caplog.text


BROKEN = {
    "no object": ([], "expected an object, found list"),
    "unknown name": (CONTENT | {"titel": "x"}, "titel"),
    "unknown name in a view": (CONTENT | {"views": [VIEW | {"z": 1}]}, "views[0].z"),
    "number as title": (CONTENT | {"title": 3}, "title"),
    "line break in the title": (CONTENT | {"title": "a\nb"}, "title"),
    "no such view": (CONTENT | {"start": "Back"}, "Back"),
    "two of a name": (CONTENT | {"views": [VIEW, VIEW]}, "a name of its own"),
    "no length": (CONTENT | {"metres_per_unit": 0}, "metres_per_unit"),
    "an address with a path": (CONTENT | {"origins": ["https://example.org/page"]}, "origins[0]"),
    "every site": (CONTENT | {"origins": ["*"]}, "origins[0]"),
    "script as a mode": (CONTENT | {"views": [VIEW | {"mode": "<script>"}]}, "views[0].mode"),
    "poster is missing": (CONTENT | {"poster": "none.jpg"}, "none.jpg"),
    "poster is text": (CONTENT | {"poster": "data:;base64,aGVsbG8="}, "poster"),
    "poster is no text": (CONTENT | {"poster": 3}, "poster"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_in_a_line_and_nothing_changes(
    name: str, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, message = BROKEN[name]
    path = stored(tmp_path, content)
    before = (image / MANIFEST).read_bytes()
    line = failure(
        capsys, "view", str(image.parent), f"--presentation={path}", f"--export={tmp_path / 'site'}"
    )
    assert message in line
    assert str(path) in line
    assert (image / MANIFEST).read_bytes() == before
    assert not (tmp_path / "site").exists()


@few
@given(
    st.text() | st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.integers()))
)
def test_anything_else_is_refused_too(content: Any) -> None:
    """Pass whatever JSON there may be: it is a presentation, or a UserError says why not."""
    with tempfile.TemporaryDirectory() as folder:
        path = stored(Path(folder), content)
        if content == {}:
            assert read_presentation(path).entry.views == ()
        else:
            with pytest.raises(UserError, match="presentation"):
                read_presentation(path)


def test_a_site_is_exported_with_what_the_options_say(image: Path, tmp_path: Path) -> None:
    file, site = stored(tmp_path, CONTENT), tmp_path / "site"
    run = str(image.parent)
    main(
        [
            "view",
            run,
            f"--presentation={file}",
            f"--export={site}",
            "--origins",
            "HTTPS://Blog.example:443/",
            "http://a.b:81",
        ]
    )
    theirs, ours = (read_manifest(folder).presentation for folder in (site / "mpi", image))
    assert theirs is not None
    assert ours is not None
    assert theirs.origins == ("https://blog.example", "http://a.b:81")
    assert list(ours.origins) == CONTENT["origins"]  # of the run's own image
    assert theirs.views == ours.views
    export_site(image, site)
    assert read_manifest(site / "mpi").presentation == ours


def test_only_origins_are_origins(image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for bad in (
        "example.org",
        "ftp://example.org",
        "https://example.org/a",
        "*",
        "null",
        "https://a.b:443:1",
    ):
        with pytest.raises(UserError, match="--origins"):
            allow_origins(image, (bad,))
    assert read_manifest(image).presentation is None
    assert "--export" in failure(capsys, "view", str(image.parent), "--origins", "https://example.org")
