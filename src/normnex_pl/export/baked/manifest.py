"""The format of a baked multiplane image, version 2: ``mpi/manifest.json`` and the files that it names.

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
        tile                texels along a stored tile, with a border of 1: see `layout`
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
    presentation        null, or title, text, metres_per_unit, start, poster, origins, views: see
                        `presentation`; older images lack it
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

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from normnex_pl.export.baked.entries import (
    EXACT,
    BasisEntry,
    CameraEntry,
    ColorEntry,
    Count,
    FileEntry,
    GeometryEntry,
    Matrix,
    Number,
    Positive,
    SizesEntry,
    TexturesEntry,
    expect,
)
from normnex_pl.export.baked.presentation import PresentationEntry

FORMAT: Literal["normnex-mpi"] = "normnex-mpi"
VERSION: Literal[2] = 2


@dataclass(frozen=True, config=EXACT)
class Manifest:
    """``manifest.json``: the entries of the module's docstring, in the order in which they are written."""

    format: Literal["normnex-mpi"]
    version: Literal[2]
    geometry: GeometryEntry
    depths: tuple[Positive, ...]
    layer_depths: tuple[Positive, ...]
    sublayers: Count
    background: Literal["clear", "opaque_last_plane"]
    color: ColorEntry
    normals: Literal["none", "predicted", "flat"]
    num_color_features: Annotated[int, Field(ge=0)]
    gate: Number
    camera: CameraEntry
    viewpoints: tuple[Matrix, ...]
    provenance: dict[str, str | int | None]
    textures: TexturesEntry
    basis: BasisEntry
    bytes: SizesEntry
    presentation: PresentationEntry | None = None

    @model_validator(mode="after")
    def _fits(self) -> Manifest:
        """Check that planes, layers, textures and features fit each other."""
        planes, layers, textures = len(self.depths), len(self.layer_depths), self.textures
        expect(0 < planes == layers * self.sublayers, f"depths: expected {layers} x {self.sublayers} planes")
        for name, count, channels in (
            ("alpha", planes, 1),
            ("base_color", layers, 3),
            ("features", layers, self.num_color_features + (0 if self.normals == "none" else 3)),
        ):
            found = getattr(textures, name).shape
            expected = f"textures.{name}: expected {count} textures of {channels} channels"
            expect(found == (count, channels), f"{expected}, found {found[0]} of {found[1]}")
        functions = self.basis.num_basis
        features = 3 * functions if self.color.model == "rgb" else 3 + functions
        expect(self.num_color_features == features, f"num_color_features: expected {features}")
        expect(
            self.basis.query == "view" or self.normals != "none", "basis.query: expected view without normals"
        )
        expect(len(self.viewpoints) > 0, "viewpoints: expected at least one")
        expect(all(len(c2w) == 3 for c2w in self.viewpoints), "viewpoints: expected three rows each")
        return self

    @property
    def files(self) -> list[FileEntry]:
        """All files that the manifest names."""
        poster = self.presentation.poster if self.presentation else None
        return [self.basis.stored, *self.textures.files, *([] if poster is None else [poster])]
