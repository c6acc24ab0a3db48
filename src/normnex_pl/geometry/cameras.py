"""Pinhole cameras in OpenCV axes: rays through pixels, projection of points, samples of images at points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Integer
from torch import Tensor

from normnex_pl.core.types import Camera, Rays


def pixel_rays(
    K: Float[Tensor, "*#ray 3 3"],
    c2w: Float[Tensor, "*#ray 3 4"],
    pixels: Integer[Tensor, "*ray 2"],
) -> Rays:
    """Cast rays through pixel centres.

    Args:
        K: Intrinsics in pixels.
        c2w: Camera to world.
        pixels: Column and row of each pixel; the centre of pixel (0, 0) lies at (0.5, 0.5).

    Returns:
        Rays in world space whose directions advance by 1 along the camera's z axis.
    """
    u, v = (pixels.to(K.dtype) + 0.5).unbind(-1)
    y = (v - K[..., 1, 2]) / K[..., 1, 1]
    x = (u - K[..., 0, 2] - K[..., 0, 1] * y) / K[..., 0, 0]
    in_camera = torch.stack([x, y, torch.ones_like(x)], dim=-1)
    directions = _transform(c2w[..., :3], in_camera)
    return Rays(c2w[..., 3].expand_as(directions), directions)


def image_rays(camera: Camera) -> Rays:
    """Cast a ray through every pixel.

    Returns:
        Rays of shape ``[height, width]``, on the device of the camera.
    """
    device = camera.K.device
    rows, columns = torch.meshgrid(
        torch.arange(camera.height, device=device), torch.arange(camera.width, device=device), indexing="ij"
    )
    return pixel_rays(camera.K, camera.c2w, torch.stack([columns, rows], dim=-1))


def join_image(camera: Camera, parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Join values of consecutive parts of a camera's `image_rays` into images.

    Args:
        camera: Gives the size of the images.
        parts: Values by name, of shape ``[ray]`` or ``[ray, channel]``.

    Returns:
        Images by name, of shape ``[height, width]`` or ``[height, width, channel]``.
    """
    shape = (camera.height, camera.width)
    return {name: torch.cat([part[name] for part in parts]).unflatten(0, shape) for name in parts[0]}


def project(camera: Camera, points: Float[Tensor, "*point 3"]) -> Float[Tensor, "*point 3"]:
    """Project world points.

    Returns:
        Image coordinates u and v in pixels (pixel centres at integer + 0.5) and the depth along the
        camera's z axis in world units. Points behind the camera have a negative depth.
    """
    in_camera = _transform(camera.c2w[:, :3].T, points - camera.c2w[:, 3])
    uvw = _transform(camera.K, in_camera)
    return torch.cat([uvw[..., :2] / uvw[..., 2:], in_camera[..., 2:]], dim=-1)


def sample_image(
    image: Float[Tensor, "image_height image_width channel"],
    camera: Camera,
    points: Float[Tensor, "height width 3"],
) -> tuple[Float[Tensor, "height width channel"], Bool[Tensor, "height width"]]:
    """Read an image bilinearly where its camera sees points of the world.

    Args:
        image: As large as the camera says.
        camera: On the same device as image and points.
        points: In world space.

    Returns:
        The values, repeating border pixels beyond the image; and which points lie in front of the camera and
        inside the image.
    """
    u, v, depth = project(camera, points).unbind(dim=-1)
    xy = torch.stack([2 * u / camera.width - 1, 2 * v / camera.height - 1], dim=-1)
    seen = (xy.abs() <= 1).all(dim=-1) & (depth > 0)
    channels = image.to(xy.dtype).movedim(-1, 0)[None]
    values = F.grid_sample(channels, xy[None], padding_mode="border", align_corners=False)
    return values[0].movedim(0, -1), seen


def _transform(
    matrix: Float[Tensor, "*#batch 3 3"], vectors: Float[Tensor, "*batch 3"]
) -> Float[Tensor, "*batch 3"]:
    """Multiply matrix and vector. Not by ``@``: mixed precision would round to bf16, a pixel or more off."""
    x, y, z = vectors[..., None].unbind(dim=-2)
    return x * matrix[..., :, 0] + y * matrix[..., :, 1] + z * matrix[..., :, 2]
