"""glTF: checked by Khronos' validator, opened by three.js' loader."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from export.formats.page import ExportPage
from export.viewer.browser import psnr
from normnex_pl.core.types import Camera
from normnex_pl.export.baked.image import BakedMPI
from normnex_pl.export.formats.gltf import GLBFormat, GLTFFormat
from normnex_pl.export.formats.stereo import middle_camera
from normnex_pl.export.layers.read_gltf import read_glb

_VALIDATE = """
const validator = require("gltf-validator"), fs = require("fs"), path = require("path");
const [file] = process.argv.slice(1);
const folder = path.dirname(file);
validator.validateBytes(new Uint8Array(fs.readFileSync(file)), {
  uri: path.basename(file), maxIssues: 0,
  externalResourceFunction: async (uri) => new Uint8Array(fs.readFileSync(path.join(folder, uri))),
}).then((report) => console.log(JSON.stringify(report)));
"""


@pytest.fixture(scope="module")
def glb(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return GLBFormat().write(run, tmp_path_factory.mktemp("glb") / "demo.glb")


def validate(file: Path, modules: Path) -> dict[str, object]:
    node = shutil.which("node") or shutil.which("nodejs")
    if node is None:
        pytest.skip("no Node.js")
    done = subprocess.run(
        [node, "-e", _VALIDATE, str(file)], capture_output=True, text=True, check=True, cwd=modules.parent
    )
    report: dict[str, object] = json.loads(done.stdout)
    return report


@pytest.mark.parametrize("kind", ["glb", "gltf"])
def test_khronos_validator_finds_neither_errors_nor_warnings(
    kind: str, glb: Path, run: Path, modules: Path, tmp_path: Path
) -> None:
    file = glb if kind == "glb" else GLTFFormat().write(run, tmp_path / "out") / "scene.gltf"
    report = validate(file, modules)
    issues = report["issues"]
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues
    info = report["info"]
    assert info["extensionsUsed"] == ["KHR_materials_unlit"]
    assert info["materialCount"] == info["drawCallCount"] == len(read_glb(glb)[0])


@pytest.mark.parametrize("shift", [0.0, 0.2])
def test_threes_loader_shows_what_our_own_compositing_shows(
    shift: float, glb: Path, run: Path, page: ExportPage
) -> None:
    baked = BakedMPI.read(run / "mpi")
    middle = middle_camera(baked)
    c2w = middle.c2w.clone()
    c2w[0, 3] += shift
    camera = Camera(middle.K, c2w, middle.width, middle.height)
    quads, metres = read_glb(glb)
    found = page.open_glb(glb, camera, metres)
    assert page.said == []
    assert (found["meshes"], found["unlit"], found["blended"]) == (len(quads), True, True)
    expected = GLBFormat().open(glb, torch.device("cpu"))(camera)
    picture = page.picture()
    page.keep(f"glb_{shift:g}")
    assert psnr(picture, expected.clamp(0, 1)) > 35
    # The same view in the wrong order, or upside down, is far from it.
    assert psnr(picture[::-1], expected.clamp(0, 1)) < 25


def test_the_camera_of_the_file_is_the_reference_camera(glb: Path, run: Path, page: ExportPage) -> None:
    g = BakedMPI.read(run / "mpi").geometry
    _, metres = read_glb(glb)
    (camera,) = page.open_glb(glb, middle_camera(BakedMPI.read(run / "mpi")), metres)["cameras"]
    assert camera["fov"] == pytest.approx(2 * np.degrees(np.arctan(g.height / 2 / g.fy)), rel=1e-5)
    assert camera["aspect"] == pytest.approx(g.width / g.height, rel=1e-5)
