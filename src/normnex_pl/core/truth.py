"""Ground truth of rendered photos."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, UInt8
from torch import Tensor


@dataclass(frozen=True)
class PaneLayers:
    """The two layers of a photo through a pane of glass, in linear light, with white at 1.

    They add up to all light. Where no glass is in front, ``transmitted`` is all light.

    Attributes:
        transmitted: What comes through the glass, attenuated, with nothing mirrored.
        mirrored: What the glass mirrors; black where there is none.
        pane: 1 where the centre of the pixel is seen through glass, else 0.
    """

    transmitted: Float[Tensor, "height width 3"]
    mirrored: Float[Tensor, "height width 3"]
    pane: UInt8[Tensor, "height width"]

    def to(self, device: torch.device) -> PaneLayers:
        """Copy the layers to a device."""
        return PaneLayers(self.transmitted.to(device), self.mirrored.to(device), self.pane.to(device))


@dataclass(frozen=True)
class ViewTruth:
    """Ground truth of a rendered photo, pixel by pixel; known for synthetic scenes only.

    Attributes:
        normals: Unit normals in the view's own camera axes (OpenCV), facing the camera.
        depth: Depth along the camera's z axis, in the units of the scene's files.
        diffuse: sRGB of the light that a Lambertian lobe scatters, in [0, 1]; black where there is none.
        specular: sRGB of all light minus ``diffuse``, in [-1, 1]; noise can make it slightly negative.
        mask: Labels: 0 wall, 1 table, 2 glossy objects, 3 mirror-like objects.
        layers: Of a photo through a pane of glass; None without one. All else is of what is behind the glass.
    """

    normals: Float[Tensor, "height width 3"]
    depth: Float[Tensor, "height width"]
    diffuse: Float[Tensor, "height width 3"]
    specular: Float[Tensor, "height width 3"]
    mask: UInt8[Tensor, "height width"]
    layers: PaneLayers | None = None

    def to(self, device: torch.device) -> ViewTruth:
        """Copy the truth to a device."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return ViewTruth(**{name: part.to(device) for name, part in parts.items() if part is not None})
