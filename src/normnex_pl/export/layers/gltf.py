"""Flat layers as a scene of glTF 2.0: a textured quad a layer, unlit and blended.

Source: The Khronos glTF 2.0 specification, and its extension KHR_materials_unlit. Lengths are metres, in
glTF's axes: x right, y up, z towards the viewer, who stands at the origin.
"""

from __future__ import annotations

import io
import json
import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from normnex_pl.export.baked.parallel import in_parallel
from normnex_pl.export.layers.stack import FlatLayer, LayerStack

GENERATOR = "normnex_pl"
UNIT = "metres_per_unit"  # in the asset's extras
_FLOAT, _UNSIGNED_SHORT = 5126, 5123
_VERTICES, _INDICES = 34962, 34963  # targets of buffer views
_LINEAR, _MIPMAPS, _CLAMP = 9729, 9987, 33071
_ALIGNMENT = 4
# Corners from the upper left, clockwise; two triangles whose fronts face the viewer.
_TRIANGLES = np.array([0, 3, 1, 1, 3, 2], "<u2")
_UV = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], "<f4")


@dataclass(frozen=True)
class GLTFScene:
    """A scene before it is written.

    Attributes:
        document: The JSON, in which images and the buffer have no address yet.
        buffer: Vertices and indices.
        images: PNG files, in the document's order.
    """

    document: dict[str, Any]
    buffer: bytes
    images: tuple[bytes, ...]

    def as_glb(self) -> bytes:
        """Return one binary file that holds everything."""
        document = dict(self.document)
        parts, views = [self.buffer], list(document["bufferViews"])
        offset = len(self.buffer)
        images = []
        for entry, content in zip(document["images"], self.images, strict=True):
            views.append({"buffer": 0, "byteOffset": offset, "byteLength": len(content)})
            images.append(entry | {"bufferView": len(views) - 1, "mimeType": "image/png"})
            parts.append(_padded(content, b"\0"))
            offset += len(parts[-1])
        document |= {"bufferViews": views, "images": images, "buffers": [{"byteLength": offset}]}
        text = _padded(json.dumps(document, separators=(",", ":")).encode(), b" ")
        chunks = struct.pack("<I4s", len(text), b"JSON") + text
        chunks += struct.pack("<I4s", offset, b"BIN\0") + b"".join(parts)
        return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks

    def as_files(self, name: str) -> dict[str, bytes]:
        """Return a document and the files that it names."""
        images = [entry | {"uri": f"{entry['name']}.png"} for entry in self.document["images"]]
        files = dict(zip((entry["uri"] for entry in images), self.images, strict=True))
        buffers = [{"byteLength": len(self.buffer), "uri": f"{name}.bin"}]
        document = self.document | {"images": images, "buffers": buffers}
        return {f"{name}.gltf": json.dumps(document, indent=1).encode(), f"{name}.bin": self.buffer} | files


def make_scene(stack: LayerStack, metres: float) -> GLTFScene:
    """Lay out a scene, the layers from back to front: programs that don't sort draw them in this order.

    Args:
        stack: The layers.
        metres: Length of a world unit.
    """
    layers = stack.layers[::-1]
    meshes = _Buffer()
    uv, triangles = meshes.add(_UV, "VEC2", _VERTICES), meshes.add(_TRIANGLES, "SCALAR", _INDICES)
    nodes, primitives = [], []
    for layer in layers:
        left, top, right, bottom = (metres * value for value in stack.corners(layer))
        half = np.array([(right - left) / 2, (bottom - top) / 2])
        corners = np.array([[-1, 1, 0], [1, 1, 0], [1, -1, 0], [-1, -1, 0]]) * [*half, 0]
        position = meshes.add(corners.astype("<f4"), "VEC3", _VERTICES, limits=True)
        primitives.append({"attributes": {"POSITION": position, "TEXCOORD_0": uv}, "indices": triangles})
        # A node in its quad's middle: programs sort what is transparent by the places of nodes.
        nodes.append([(left + right) / 2, -(top + bottom) / 2, -metres * layer.depth])
    names = [f"layer_{number:02d}" for number in reversed(range(len(layers)))]
    document = _document(names, primitives, nodes) | meshes.entries()
    document["asset"]["extras"] = {UNIT: metres}
    document["cameras"] = [_camera(stack, metres)]
    document["nodes"].append({"name": "reference", "camera": 0})
    document["scenes"][0]["nodes"].append(len(layers))
    return GLTFScene(document, meshes.content, tuple(in_parallel(_png, layers)))


def _document(
    names: list[str], primitives: list[dict[str, Any]], places: list[list[float]]
) -> dict[str, Any]:
    """Return all entries but those of buffers and cameras."""
    numbers = range(len(names))
    return {
        "asset": {"version": "2.0", "generator": GENERATOR},
        "extensionsUsed": ["KHR_materials_unlit"],
        "scene": 0,
        "scenes": [{"nodes": list(numbers)}],
        "nodes": [{"name": names[i], "mesh": i, "translation": places[i]} for i in numbers],
        "meshes": [{"name": names[i], "primitives": [primitives[i] | {"material": i}]} for i in numbers],
        "materials": [
            {
                "name": names[i],
                "alphaMode": "BLEND",
                "extensions": {"KHR_materials_unlit": {}},
                "pbrMetallicRoughness": {
                    "baseColorTexture": {"index": i},
                    "metallicFactor": 0,
                    "roughnessFactor": 1,
                },
            }
            for i in numbers
        ],
        "textures": [{"source": i, "sampler": 0} for i in numbers],
        "samplers": [{"magFilter": _LINEAR, "minFilter": _MIPMAPS, "wrapS": _CLAMP, "wrapT": _CLAMP}],
        "images": [{"name": name} for name in names],
    }


def _camera(stack: LayerStack, metres: float) -> dict[str, Any]:
    """Return the reference camera; a principal point off the middle can't be said."""
    g = stack.geometry
    depths = [layer.depth * metres for layer in stack.layers]
    return {
        "name": "reference",
        "type": "perspective",
        "perspective": {
            "yfov": 2 * math.atan(g.height / 2 / g.fy),
            "aspectRatio": (g.width / g.fx) / (g.height / g.fy),
            "znear": min(depths) / 100,
            "zfar": max(depths) * 10,
        },
    }


class _Buffer:
    """Arrays that are appended to one buffer, with a view and an accessor each."""

    def __init__(self) -> None:
        self.content = b""
        self._views: list[dict[str, Any]] = []
        self._accessors: list[dict[str, Any]] = []

    def add(self, values: np.ndarray, kind: str, target: int, limits: bool = False) -> int:
        """Append an array and return the index of its accessor."""
        data = np.ascontiguousarray(values).tobytes()
        self._views.append(
            {"buffer": 0, "byteOffset": len(self.content), "byteLength": len(data), "target": target}
        )
        component = _FLOAT if values.dtype == np.dtype("<f4") else _UNSIGNED_SHORT
        accessor = {
            "bufferView": len(self._views) - 1,
            "componentType": component,
            "count": len(values),
            "type": kind,
        }
        if limits:
            accessor |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
        self._accessors.append(accessor)
        self.content += _padded(data, b"\0")
        return len(self._accessors) - 1

    def entries(self) -> dict[str, Any]:
        """Return the document's entries."""
        return {"bufferViews": self._views, "accessors": self._accessors}


def _padded(content: bytes, filler: bytes) -> bytes:
    return content + filler * (-len(content) % _ALIGNMENT)


def _png(layer: FlatLayer) -> bytes:
    file = io.BytesIO()
    Image.fromarray(layer.rgba.cpu().numpy()).save(file, "png")
    return file.getvalue()
