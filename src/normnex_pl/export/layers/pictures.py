"""Files of flat layers for compositing programs, one class a kind of picture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.export.layers.stack import FlatLayer, LayerStack

_MOST = 65535  # of 16 bits


class LayerPictures(ABC):
    """A kind of pictures.

    Attributes:
        name: On the command line, and the ending of the files.
        colors: What the numbers mean, for people.
    """

    name: ClassVar[str]
    colors: ClassVar[str]

    @abstractmethod
    def write(self, folder: Path, name: str, layer: FlatLayer, stack: LayerStack) -> dict[str, str]:
        """Write a layer, as large as the canvas.

        Args:
            folder: An existing folder.
            name: Of the layer.
            layer: The layer.
            stack: Its stack.

        Returns:
            Names of the files by what they hold: ``picture``, and ``depth`` if that is a file of its own.
        """

    @abstractmethod
    def read(self, path: Path) -> UInt8[Tensor, "height width 4"]:
        """Read a picture back, as sRGB that isn't multiplied by the opacity."""


class PNGPictures(LayerPictures):
    """8 bits a channel, and a 16-bit picture of disparities."""

    name = "png"
    colors = (
        "sRGB, not multiplied by the opacity (straight); depth: 16 bits, 0 far to 65535 near in disparity"
    )

    @override
    def write(self, folder: Path, name: str, layer: FlatLayer, stack: LayerStack) -> dict[str, str]:
        rgba = _on_canvas(layer.rgba, layer, stack, 0.0)
        Image.fromarray(rgba.numpy()).save(folder / f"{name}.png")
        near, far = 1 / stack.geometry.near, 1 / stack.geometry.far
        share = (_on_canvas(layer.disparity, layer, stack, 1 / layer.depth) - far) / (near - far)
        codes = (share.clamp(0, 1) * _MOST).round().numpy().astype("<u2")
        Image.fromarray(codes).save(folder / f"{name}_depth.png")
        return {"picture": f"{name}.png", "depth": f"{name}_depth.png"}

    @override
    def read(self, path: Path) -> UInt8[Tensor, "height width 4"]:
        with Image.open(path) as picture:
            return torch.from_numpy(np.array(picture.convert("RGBA")))


class EXRPictures(LayerPictures):
    """Half floats R, G, B and A, and a channel Z of depths in single precision."""

    name = "exr"
    colors = (
        "linear light of sRGB's primaries, multiplied by the opacity (premultiplied); Z: depth, world units"
    )

    @override
    def write(self, folder: Path, name: str, layer: FlatLayer, stack: LayerStack) -> dict[str, str]:
        rgba = _on_canvas(layer.rgba, layer, stack, 0.0).double() / 255
        alpha = rgba[..., 3:]
        colors = torch.cat([linear_light(rgba[..., :3]) * alpha, alpha], dim=-1).numpy().astype(np.float16)
        depth = 1 / _on_canvas(layer.disparity, layer, stack, 1 / layer.depth)
        openexr = _openexr()
        channels = {"RGBA": colors, "Z": depth.float().numpy()}
        header = {"compression": openexr.ZIP_COMPRESSION, "type": openexr.scanlineimage}
        with openexr.File(header, channels) as file:
            file.write(str(folder / f"{name}.exr"))
        return {"picture": f"{name}.exr"}

    @override
    def read(self, path: Path) -> UInt8[Tensor, "height width 4"]:
        with _openexr().File(str(path)) as file:
            rgba = torch.from_numpy(file.channels()["RGBA"].pixels.astype(np.float64))
        alpha = rgba[..., 3:]
        colors = srgb_encoded((rgba[..., :3] / alpha.clamp(min=1e-6)).clamp(0, 1))
        return (torch.cat([colors, alpha], dim=-1) * 255).round().to(torch.uint8)


def linear_light(srgb: Float[Tensor, "*pixel 3"]) -> Float[Tensor, "*pixel 3"]:
    """Decode sRGB (IEC 61966-2-1) in [0, 1] to linear light."""
    return torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def srgb_encoded(light: Float[Tensor, "*pixel 3"]) -> Float[Tensor, "*pixel 3"]:
    """Encode linear light in [0, 1] as sRGB: the inverse of `linear_light`."""
    return torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light.clamp(min=1e-9) ** (1 / 2.4) - 0.055)


def _on_canvas(values: Tensor, layer: FlatLayer, stack: LayerStack, filler: float) -> Tensor:
    """Put what a layer shows onto a page as large as the canvas."""
    page = values.new_full((stack.height, stack.width, *values.shape[2:]), filler).cpu()
    height, width = layer.disparity.shape
    page[layer.top : layer.top + height, layer.left : layer.left + width] = values.cpu()
    return page


def _openexr():  # type: ignore[no-untyped-def]
    try:
        import OpenEXR  # an extra, which only these files need
    except ImportError as error:
        raise UserError(
            f"--pictures=exr: expected OpenEXR's library, found none ({error}). Install the extra: "
            "pip install 'normnex_pl[exr]', in a checkout pip install -e '.[exr]'."
        ) from error
    return OpenEXR
