"""Read the scenes of `gltf` back: what `normnex export` wrote, not glTF at large."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from normnex_pl.export.layers.gltf import GENERATOR, UNIT
from normnex_pl.export.layers.render import Quad

_HEADER = 12  # bytes: magic, version, length


def is_ours(document: Any) -> bool:
    """Return whether a document is one of `gltf`."""
    return isinstance(document, dict) and (document.get("asset") or {}).get("generator") == GENERATOR


def glb_document(content: bytes) -> tuple[Any, bytes]:
    """Return the JSON and the binary part of a GLB file.

    Raises:
        ValueError: It is no such file.
    """
    try:
        magic, _, _ = struct.unpack_from("<4sII", content)
        length, _ = struct.unpack_from("<I4s", content, _HEADER)
    except struct.error as error:
        raise ValueError(str(error)) from error
    if magic != b"glTF":
        raise ValueError("another beginning than glTF")
    begin = _HEADER + 8
    return json.loads(content[begin : begin + length]), content[begin + length + 8 :]


def read_glb(path: Path) -> tuple[list[Quad], float]:
    """Read a GLB file.

    Returns:
        The pictures, front to back and in metres, and the metres of a world unit.
    """
    document, binary = glb_document(path.read_bytes())

    def image(entry: dict[str, Any]) -> bytes:
        view = document["bufferViews"][entry["bufferView"]]
        return binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]

    return _quads(document, image)


def read_gltf(path: Path) -> tuple[list[Quad], float]:
    """Read a glTF file and the pictures beside it, as `read_glb`."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return _quads(document, lambda entry: (path.parent / entry["uri"]).read_bytes())


def _quads(document: Any, image: Callable[[dict[str, Any]], bytes]) -> tuple[list[Quad], float]:
    quads = []
    for index, node in enumerate(document["nodes"]):
        if "mesh" not in node:
            continue
        x, y, z = node["translation"]
        (primitive,) = document["meshes"][node["mesh"]]["primitives"]
        accessor = document["accessors"][primitive["attributes"]["POSITION"]]
        (right, up, _), (left, down, _) = accessor["max"], accessor["min"]
        with Image.open(io.BytesIO(image(document["images"][index]))) as picture:
            rgba = torch.from_numpy(np.array(picture.convert("RGBA")))
        quads.append(Quad(rgba, -z, (x + left, -(y + up), x + right, -(y + down))))
    return quads[::-1], float(document["asset"]["extras"][UNIT])
