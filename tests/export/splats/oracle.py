"""A slow renderer of splats in double precision: every splat at every pixel that it covers."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from normnex_pl.core.types import Camera
from normnex_pl.export.splats.harmonics import shown_colors
from normnex_pl.export.splats.splats import Splats

BLUR = 0.3  # square pixels that the original rasteriser adds to a splat's variance
LEAST, MOST = 1 / 255, 0.999


def render_splats(
    splats: Splats, camera: Camera, antialiased: bool = False, blur: float = BLUR
) -> Float[Tensor, "height width 3"]:
    """Render on black (Zwicker et al., EWA splatting, 2001; Kerbl et al. 2023).

    With ``antialiased``, opacities make up for the blur (Yu et al., Mip-splatting, 2024).
    """
    means, c2w, K = splats.means.double(), camera.c2w.double(), camera.K.double()
    seen = (means - c2w[:, 3]) @ c2w[:, :3]
    front = seen[:, 2] > 1e-3
    order = seen[front][:, 2].argsort(stable=True)
    index = front.nonzero()[:, 0][order]
    seen = seen[index]
    x, y, z = seen.unbind(dim=-1)
    zero = torch.zeros_like(z)
    jacobian = torch.stack(
        [torch.stack([K[0, 0] / z, zero, -K[0, 0] * x / z**2], -1),
         torch.stack([zero, K[1, 1] / z, -K[1, 1] * y / z**2], -1)], dim=1
    )  # fmt: skip
    spread = jacobian @ c2w[:, :3].T * splats.scales[index].double()[:, None]
    covariance = spread @ spread.mT
    sharp = torch.linalg.det(covariance)
    covariance = covariance + blur * torch.eye(2).double()
    opacity = splats.opacity[index].double()
    if antialiased:
        opacity = opacity * (sharp / torch.linalg.det(covariance)).clamp(min=0).sqrt()
    centre = torch.stack([K[0, 0] * x / z + K[0, 2], K[1, 1] * y / z + K[1, 2]], dim=-1)
    directions = torch.nn.functional.normalize(means[index] - c2w[:, 3], dim=-1)
    colors = shown_colors(splats.sh[index].double(), directions)
    return _blend(centre, covariance, opacity, colors, camera.width, camera.height)


def _blend(
    centre: Tensor, covariance: Tensor, opacity: Tensor, colors: Tensor, width: int, height: int
) -> Tensor:
    """Composite splats that are sorted front to back, a group of equal footprints at a time."""
    radius = (3.4 * covariance.diagonal(dim1=1, dim2=2).amax(dim=1).sqrt()).ceil().long().clamp(max=64)
    inverse = torch.linalg.inv(covariance)
    pixels, ranks, alphas = [], [], []
    for reach in radius.unique().tolist():
        some = (radius == reach).nonzero()[:, 0]
        step = torch.arange(-reach, reach + 1)
        offsets = torch.cartesian_prod(step, step)
        for part in some.split(max(1, 4_000_000 // len(offsets))):
            at = centre[part].floor().long()[:, None] + offsets
            d = at + 0.5 - centre[part][:, None]
            power = torch.einsum("nki,nij,nkj->nk", d, inverse[part], d)
            alpha = (opacity[part][:, None] * torch.exp(-power / 2)).clamp(max=MOST)
            inside = (at >= 0).all(-1) & (at[..., 0] < width) & (at[..., 1] < height) & (alpha >= LEAST)
            pixels.append((at[..., 1] * width + at[..., 0])[inside].int())
            ranks.append(part[:, None].expand_as(alpha)[inside].int())
            alphas.append(alpha[inside].float())
    pixel, rank = torch.cat(pixels).numpy(), torch.cat(ranks).numpy()
    alpha = torch.cat(alphas).double().numpy()
    order = np.lexsort((rank, pixel))
    pixel, rank, alpha = pixel[order], rank[order], alpha[order]
    passed = np.log1p(-alpha)
    before = np.cumsum(passed) - passed
    first = np.r_[True, pixel[1:] != pixel[:-1]]
    light = np.exp(before - np.repeat(before[first], np.diff(np.r_[np.flatnonzero(first), len(pixel)])))
    picture = np.zeros((height * width, 3))
    shown = (light * alpha)[:, None] * colors.numpy()[rank]
    for channel in range(3):
        picture[:, channel] = np.bincount(pixel, shown[:, channel], height * width)
    return torch.from_numpy(picture.reshape(height, width, 3))
