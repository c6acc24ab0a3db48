"""glTF 2.0: flat layers as textured quads, in one file or in several."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from typing_extensions import override

from normnex_pl.core.files import check_place, replacing, replacing_folder
from normnex_pl.core.types import Camera
from normnex_pl.export.baked.files import baked_folder
from normnex_pl.export.baked.image import BakedMPI
from normnex_pl.export.formats.base import CPU, ExportFormat, ViewRenderer
from normnex_pl.export.formats.scale import metres_per_unit
from normnex_pl.export.layers.gltf import GLTFScene, make_scene
from normnex_pl.export.layers.read_gltf import glb_document, is_ours, read_glb, read_gltf
from normnex_pl.export.layers.render import Quad, render_quads
from normnex_pl.export.layers.stack import stack_layers
from normnex_pl.export.targets import expect_new_file, expect_new_or_empty

_LOSES = "colours that change with the view (base colours alone), and the depth of planes within a layer"
_ENDING = ".glb"
_NAME = "scene"


@dataclass(frozen=True)
class GLBFormat(ExportFormat):
    """Write one binary file.

    Attributes:
        layers: Number of quads; None for as many as the model has layers.
    """

    name = "glb"
    summary = "one glTF 2.0 file: a textured quad a layer, unlit and blended, in metres"
    loses = _LOSES

    layers: int | None = None

    @override
    def default_name(self, run: str) -> str:
        return run + _ENDING

    @override
    def write(self, run: Path, target: Path, device: torch.device = CPU) -> Path:
        folder = baked_folder(run)
        expect_new_file(target, _ENDING, _is_glb)
        check_place(target.parent)
        content = _scene(folder, self.layers, device).as_glb()
        with replacing(target) as temporary:
            temporary.write_bytes(content)
        return target

    @override
    def open(self, path: Path, device: torch.device) -> ViewRenderer:
        return _renderer(*read_glb(path))


@dataclass(frozen=True)
class GLTFFormat(ExportFormat):
    """Write a document, a buffer and pictures into a folder.

    Attributes:
        layers: Number of quads; None for as many as the model has layers.
    """

    name = "gltf"
    summary = "the same as glb in a folder: scene.gltf, its buffer, and a PNG picture a layer"
    loses = _LOSES

    layers: int | None = None

    @override
    def default_name(self, run: str) -> str:
        return self.name

    @override
    def write(self, run: Path, target: Path, device: torch.device = CPU) -> Path:
        folder = baked_folder(run)
        if not _holds_a_scene_alone(target):
            expect_new_or_empty(target)
        check_place(target.parent)
        files = _scene(folder, self.layers, device).as_files(_NAME)
        with replacing_folder(target) as temporary:
            for name, content in files.items():
                (temporary / name).write_bytes(content)
        return target

    @override
    def open(self, path: Path, device: torch.device) -> ViewRenderer:
        return _renderer(*read_gltf(path / f"{_NAME}.gltf"))


def _scene(folder: Path, layers: int | None, device: torch.device) -> GLTFScene:
    baked = BakedMPI.read(folder).to(device)
    return make_scene(stack_layers(baked, layers), metres_per_unit(baked.manifest) or 1.0)


def _renderer(quads: Sequence[Quad], metres: float) -> ViewRenderer:
    """Return a renderer for cameras in world units of pictures in metres."""

    def render(camera: Camera) -> torch.Tensor:
        c2w = torch.cat([camera.c2w[:, :3], metres * camera.c2w[:, 3:]], dim=1)
        return render_quads(quads, replace(camera, c2w=c2w))

    return render


def _is_glb(path: Path) -> bool:
    """Return whether a file is an earlier export."""
    try:
        return is_ours(glb_document(path.read_bytes())[0])
    except (OSError, ValueError):
        return False


def _holds_a_scene_alone(target: Path) -> bool:
    """Return whether a folder is an earlier export: a document, files that it names, and nothing else."""
    path = target / f"{_NAME}.gltf"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if not is_ours(document):
        return False
    named = [*document.get("images", []), *document.get("buffers", [])]
    known = {path.name, *(entry.get("uri") for entry in named)}
    return all(file.name in known and file.is_file() for file in target.iterdir())
