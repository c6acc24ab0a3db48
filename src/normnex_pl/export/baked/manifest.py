"""The files of a baked multiplane image: ``mpi/manifest.json`` and what it names. Version 2.

``manifest.json`` (all lengths in world units, the world being the reference camera's frame in OpenCV axes):

    format, version     "normnex-mpi", 2. Another version may differ in anything.
    geometry            fx, fy, cx, cy, width, height, padding, near, far, spacing: see `MPIGeometry`
    depths              of the planes, front to back; layer_depths: of the layers, where features are read
    sublayers           planes a layer: plane p belongs to layer p // sublayers
    background          "clear", or "opaque_last_plane": alpha of the last plane is 1 on the canvas
    color               model: "rgb", "ycbcr" or "additive_ycbcr"; signed: else the luma is max(0, luma)
    normals             "none", "predicted" or "flat"; num_color_features: features before those of the normal
    gate                factor of the specular part
    basis               query, shape, num_basis, file, bytes, sha256, error: see `basis_table`. Little-endian
                        half floats, ``[..., basis]``: the functions are the fastest axis
    textures            alpha (a texture a plane), base_color and features (a texture a layer):
        height, width       texels of a whole texture, which covers the canvas
        tile                texels along a stored tile, with a border of 1: see `tiles`
        rows, columns       of tiles
        channels, ranges    value = low + byte / 255 (high - low), [texture][channel][low, high]
        tiles_per_row, rows_per_page, pages, slots    where slots lie on pages
        table               file, bytes, sha256: little-endian uint32 [texture][row][column], slot + 1 or 0
        files               [page][group]: file, bytes, sha256. Group g: channels 3 g to 3 g + 2 as red, green
                            and blue (grey, of alpha alone). No picture has an alpha channel: browsers would
                            multiply by it
    viewpoints          rows of 3x4 camera-to-world matrices of the training views, for paths and limits
    camera              fx, fy, cx, cy, width, height of the photos
    provenance          scene, variant, preset, steps, model (a hash of its weights), commit
    bytes               disk: of all files but this one; decoded: of textures and tables in memory, three
                        channels in four bytes

How a ray is rendered, from plane p = 0 on, T = 1:

    X = o + t v with t = (d_p - o_z) / v_z > 0
    x = 2 (fx X_x / d_p + cx + padding) / (width + 2 padding) - 1, y likewise
    a sample exists where |x|, |y| <= 1 and its tiles of alpha (not on an opaque last plane) and base_color do
    color = clamp(base_color + specular of layer l, 0, 1), alpha and base_color read at (x, y)
    rgb += T alpha color; T *= 1 - alpha
    specular of a layer = gate x the colour model of its features, read at (x, y) of layer_depths[l];
        0 where their tile is absent. With features f, functions H_n:
        rgb             channel c: sum_n tanh(f[c N + n]) H_n
        ycbcr           sigmoid(f[0]) Y RGB(1, Cb, Cr), (Cb, Cr) = tanh(f[1:3]) / 2,
                        Y = sum_n tanh(f[3 + n]) H_n, or 0 if negative and not signed
        additive_ycbcr  sigmoid(f[0]) Y + RGB(1, Cb, Cr) - 1
        RGB(1, Cb, Cr) = (1 + 1.402 Cr, 1 - 0.344136 Cb - 0.714136 Cr, 1 + 1.772 Cb)
    normal of a layer = normalize(f[k], f[k+1], f[k+2] - 0.2), k = num_color_features; (0, 0, -1) if flat
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from normnex_pl.core.errors import UserError

FORMAT = "normnex-mpi"
VERSION = 2
MANIFEST = "manifest.json"
AGAIN = "Bake the run again (make bake RUN=...)."


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a baked multiplane image.

    Raises:
        UserError: There is none, it is damaged, or it is of another format or version.
    """
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: expected a baked multiplane image, found none. {AGAIN}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: expected JSON, found a damaged file ({error}). {AGAIN}") from None
    found = content.get("format") if isinstance(content, dict) else type(content).__name__
    if found != FORMAT:
        raise UserError(f"{path}: expected the format {FORMAT}, found {found}. {AGAIN}")
    version = content.get("version")
    if version != VERSION:
        advice = "Update normnex_pl." if isinstance(version, int) and version > VERSION else AGAIN
        raise UserError(f"{path}: expected version {VERSION}, found {version}. {advice}")
    assert isinstance(content, dict)
    return content


def describe_file(path: Path) -> dict[str, Any]:
    """What the manifest says of a file."""
    content = path.read_bytes()
    return {"file": path.name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def read_file(folder: Path, entry: dict[str, Any]) -> bytes:
    """Read a file that the manifest names.

    Raises:
        UserError: It is missing, or isn't what was baked.
    """
    path = folder / Path(entry["file"]).name
    try:
        content = path.read_bytes()
    except OSError:
        raise UserError(f"{path}: expected a file of {entry['bytes']} bytes, found none. {AGAIN}") from None
    if len(content) != entry["bytes"] or hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise UserError(
            f"{path}: expected {entry['bytes']} bytes as they were baked, found a damaged file of "
            f"{len(content)}. {AGAIN}"
        )
    return content


def files_of(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the entries of all files that a manifest names."""
    entries: list[dict[str, Any]] = [manifest["basis"]]
    for texture in manifest["textures"].values():
        entries += [texture["table"], *_flat(texture["files"])]
    return entries


def _flat(pages: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [group for page in pages for group in page]
