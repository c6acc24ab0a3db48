"""Compile-time constants of the baked renderer's kernel: shapes of textures and tables, parts of a model.

Triton takes such objects as compile-time constants. Two rules follow from its versions 3.2 to 3.8:

- Inside the kernel a field is read as ``SHAPE.value.height``. Triton 3.2 shows a constant's wrapper, later
  versions and the interpreter the constant itself; ``value`` leads to the constant in all of them.
- A function may be a field, but no argument: 3.2 refuses to launch a kernel with a callable constant.

Pointers and numbers can't be grouped so: as arguments, tuples of them need Triton 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Protocol


class Constants(Protocol):
    """A compile-time constant with fields."""

    @property
    def value(self) -> Any:
        """The constant itself, where Triton doesn't wrap it."""
        return self


@dataclass(frozen=True)
class TextureShape(Constants):
    """Textures of one kind, cut into tiles.

    Attributes:
        height: Texels of a texture.
        width: Texels of a texture.
        size: Texels along a stored tile.
        stride: Elements of memory from a texel to the next one.
        channels: Channels of a texel.
    """

    height: int
    width: int
    size: int
    stride: int
    channels: int


@dataclass(frozen=True)
class TableShape(Constants):
    """The table of the basis functions.

    Attributes:
        depth: Samples along the slowest axis; 1 of a table with two axes.
        height: Samples along the second axis.
        width: Samples along the fastest axis.
        functions: Basis functions.
        lanes: The next power of two: what is read at once.
    """

    depth: int
    height: int
    width: int
    functions: int
    lanes: int


@dataclass(frozen=True)
class ModelParts(Constants):
    """The decoding of features: functions of `baked_shading`.

    Attributes:
        color: Colour model.
        normals: Model of normals.
        ray_basis: What is looked up once a ray.
        layer_basis: What is looked up on each layer.
        color_features: Features before those of the normals.
    """

    color: Any
    normals: Any
    ray_basis: Any
    layer_basis: Any
    color_features: int

    def __repr__(self) -> str:
        """Return a text that changes with the functions' code: Triton's cache on disk goes by it."""
        parts = [getattr(self, field.name) for field in fields(self)]
        return "_".join(str(getattr(part, "cache_key", part)) for part in parts)


@dataclass(frozen=True)
class ImageConstants(Constants):
    """All that is constant of a baked image.

    Attributes:
        layers: Number of layers.
        sublayers: Planes a layer.
        alpha: Textures of opacities.
        base_color: Textures of base colours.
        features: Textures of features.
        table: Of the basis functions.
        model: The decoding of features.
    """

    layers: int
    sublayers: int
    alpha: TextureShape
    base_color: TextureShape
    features: TextureShape
    table: TableShape
    model: ModelParts


@dataclass(frozen=True)
class BlockShape(Constants):
    """The pixels that one program renders.

    Attributes:
        width: A power of two.
        height: A power of two.
    """

    width: int
    height: int
