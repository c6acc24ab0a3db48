"""Flat layers as pictures for compositing programs, with a description of where they stand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.core.files import check_place, replacing_folder, write_json
from normnex_pl.export.baked.files import baked_folder
from normnex_pl.export.baked.image import BakedMPI
from normnex_pl.export.formats.base import CPU, ExportFormat, ViewRenderer
from normnex_pl.export.formats.scale import metres_per_unit
from normnex_pl.export.layers.pictures import EXRPictures, LayerPictures, PNGPictures
from normnex_pl.export.layers.render import Quad, render_quads
from normnex_pl.export.layers.stack import LayerStack, stack_layers
from normnex_pl.export.targets import expect_new_or_empty

PICTURES: Mapping[str, LayerPictures] = {one.name: one for one in (PNGPictures(), EXRPictures())}
_FORMAT = "normnex-layers"
_DESCRIPTION = "layers.json"


@dataclass(frozen=True)
class LayersFormat(ExportFormat):
    """Write a picture a layer, and ``layers.json``.

    Attributes:
        pictures: Name of their kind.
        layers: Number of layers; None for as many as the model has.
    """

    name = "layers"
    summary = "a picture with alpha and depth a layer (PNG, or EXR with --pictures=exr), and layers.json"
    loses = "colours that change with the view (base colours alone)"

    pictures: str = PNGPictures.name
    layers: int | None = None

    @override
    def default_name(self, run: str) -> str:
        return self.name

    @override
    def write(self, run: Path, target: Path, device: torch.device = CPU) -> Path:
        folder = baked_folder(run)
        if not _holds_layers_alone(target):
            expect_new_or_empty(target)
        check_place(target.parent)
        baked = BakedMPI.read(folder).to(device)
        stack = stack_layers(baked, self.layers)
        kind = PICTURES[self.pictures]
        with replacing_folder(target) as temporary:
            entries = [
                {**kind.write(temporary, f"layer_{number:02d}", layer, stack), "at": layer.depth}
                for number, layer in enumerate(stack.layers)
            ]
            description = _describe(stack, kind, entries, metres_per_unit(baked.manifest))
            write_json(temporary / _DESCRIPTION, description)
        return target

    @override
    def open(self, path: Path, device: torch.device) -> ViewRenderer:
        found = _read(path)
        if found is None:
            raise UserError(
                f"{path / _DESCRIPTION}: expected a description of layers, found none. Export it again."
            )
        kind = PICTURES[found["pictures"]]
        quads = [
            Quad(kind.read(path / entry["picture"]), entry["depth_of_layer"], tuple(entry["corners"]))
            for entry in found["layers"]
        ]
        return lambda camera: render_quads(quads, camera)


def _describe(
    stack: LayerStack, kind: LayerPictures, entries: list[dict[str, Any]], metres: float | None
) -> dict[str, Any]:
    """Return the content of ``layers.json``."""
    g = stack.geometry
    edges = (-g.padding - g.cx, -g.padding - g.cy, g.width + g.padding - g.cx, g.height + g.padding - g.cy)
    focal = (g.fx, g.fy, g.fx, g.fy)
    layers = [
        {
            "picture": entry["picture"],
            **({"depth": entry["depth"]} if "depth" in entry else {}),
            "depth_of_layer": entry["at"],
            "corners": [edge * entry["at"] / f for edge, f in zip(edges, focal, strict=True)],
        }
        for entry in entries
    ]
    return {
        "format": _FORMAT,
        "about": "Front to back. depth_of_layer: distance of the picture from the reference camera along its "
        "axis; corners: left, top, right, bottom there (x right, y down), all in world units.",
        "pictures": kind.name,
        "colors": kind.colors,
        "width": stack.width,
        "height": stack.height,
        "camera": asdict(g),
        "metres_per_unit": metres,
        "layers": layers,
    }


def _read(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("format") == _FORMAT else None


def _holds_layers_alone(target: Path) -> bool:
    """Return whether a folder is an earlier export: a description, files that it names, and nothing else."""
    found = _read(target)
    if found is None:
        return False
    named = {entry.get(key) for entry in found["layers"] for key in ("picture", "depth")}
    return all(file.name in {_DESCRIPTION, *named} and file.is_file() for file in target.iterdir())
