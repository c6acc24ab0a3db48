"""The three kinds of textures of a baked multiplane image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Kinds(Generic[T]):
    """Something of each kind of texture.

    Attributes:
        alpha: Of the planes' opacities.
        base_color: Of the layers' base colours.
        features: Of the layers' features.
    """

    alpha: T
    base_color: T
    features: T
