"""Baselines that need no learning: a lower bound for the scores of every trained model."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from normnex_pl.core.types import Camera, Scene, View
from normnex_pl.evaluation.metrics import psnr
from normnex_pl.geometry.cameras import image_rays, sample_image


def warp_through_plane(source: View, target: Camera, depth: float) -> Float[Tensor, "height width 3"]:
    """Warp a photo to another camera as if the whole scene lay on one plane of the reference frame.

    Args:
        source: The photo.
        target: The camera to warp it to, on the same device.
        depth: Depth of the plane in world units.

    Returns:
        sRGB; border pixels are repeated beyond the photo's borders.
    """
    rays = image_rays(target)
    distance = (depth - rays.origins[..., 2:]) / rays.directions[..., 2:]
    return sample_image(source.rgb, source.camera, rays.origins + distance * rays.directions)[0]


def nearest_training_view(scene: Scene, target: Camera) -> View:
    """Return the training view whose camera is nearest to ``target``."""
    views = [scene.views[i] for i in scene.train]
    here = target.c2w[:, 3].cpu()
    return min(views, key=lambda view: float((view.camera.c2w[:, 3] - here).norm()))


def best_plane_warp_psnr(source: View, target: View, near: float, far: float, num_depths: int = 64) -> float:
    """Return the PSNR of a photo that is warped to another one through the single plane that fits best.

    Args:
        source: The photo to warp.
        target: The photo to match, on the same device.
        near: Depth of the first plane to try, in world units.
        far: Depth of the last one.
        num_depths: Number of planes to try, uniform in disparity.
    """
    truth = target.rgb
    depths = 1 / torch.linspace(1 / near, 1 / far, num_depths)
    return max(
        psnr(warp_through_plane(source, target.camera, float(depth)), truth, target.mask) for depth in depths
    )
