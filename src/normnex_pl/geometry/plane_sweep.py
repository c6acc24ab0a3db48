"""Plane sweeps: the colours of photos on an assumed plane, or at given points of the world.

Collins, A space-sweep approach to true multi-image matching, CVPR 1996.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.core.types import MPIGeometry, View
from normnex_pl.geometry.cameras import sample_image
from normnex_pl.geometry.planes import canvas_grid, canvas_points

# Colour values of all photos that are processed together: 64 MiB, and temporarily a few times as much.
_VALUES_AT_ONCE = 2**24
_WHOLLY = 0.999  # of a weight of 1, in single precision


class PhotoStatistic(ABC):
    """Reduction of the colours in which several photos show a point to a single colour."""

    @abstractmethod
    def __call__(
        self, colors: Float[Tensor, "view height width 3"], seen: Bool[Tensor, "view height width 1"]
    ) -> Float[Tensor, "height width 3"]:
        """Reduce the colours of points over the photos.

        Args:
            colors: sRGB in [0, 1].
            seen: Which photos show the point.

        Returns:
            sRGB in [0, 1]; NaN where no photo shows the point.
        """


class MeanOfPhotos(PhotoStatistic):
    """The mean: suits a base colour from which the view-dependent part deviates in both directions."""

    @override
    def __call__(
        self, colors: Float[Tensor, "view height width 3"], seen: Bool[Tensor, "view height width 1"]
    ) -> Float[Tensor, "height width 3"]:
        return (colors * seen).sum(dim=0) / seen.sum(dim=0)


class QuantileOfPhotos(PhotoStatistic):
    """A quantile of each channel: below a half it suits a base colour to which specular highlights only add.

    Args:
        quantile: From 0, the darkest photo, to 1; by nearest rank.

    Raises:
        UserError: The quantile is out of range.
    """

    def __init__(self, quantile: float) -> None:
        if not 0 <= quantile <= 1:
            raise UserError(f"initialization.statistic.quantile: expected 0 to 1, found {quantile}.")
        self.quantile = quantile

    @override
    def __call__(
        self, colors: Float[Tensor, "view height width 3"], seen: Bool[Tensor, "view height width 1"]
    ) -> Float[Tensor, "height width 3"]:
        # Sorting the photos' values of a point is many times faster if they are adjacent in memory.
        values = torch.where(seen, colors, torch.nan).movedim(0, -1).contiguous()
        return values.nanquantile(self.quantile, dim=-1, interpolation="nearest")


def sweep_plane(
    views: Sequence[View],
    depth: float,
    geometry: MPIGeometry,
    height: int,
    width: int,
    statistic: PhotoStatistic,
) -> Float[Tensor, "height width 3"]:
    """Return the colours in which photos show the points of a plane of the reference frame.

    Args:
        views: At least one; all on one device.
        depth: Depth of the plane in world units.
        geometry: The canvas.
        height: Height of the result in texels, which cover the canvas.
        width: Width of the result in texels.
        statistic: Reduces the colours of the photos to one.

    Returns:
        sRGB in [0, 1]. Where no photo sees the plane, the mean of their nearest border pixels.
    """
    grid = canvas_grid(height, width, views[0].camera.K.device)
    points = canvas_points(grid, torch.full_like(grid[..., 0], depth), geometry)
    rows = max(1, _VALUES_AT_ONCE // (len(views) * width * 3))
    return torch.cat([colors_at(views, part, statistic) for part in points.split(rows)])


def colors_at(
    views: Sequence[View], points: Float[Tensor, "height width 3"], statistic: PhotoStatistic
) -> Float[Tensor, "height width 3"]:
    """Return the colours in which photos show points of the world, regardless of occlusion.

    Args:
        views: At least one; on the device of the points.
        points: In world space.
        statistic: Reduces the colours of the photos to one.

    Returns:
        sRGB in [0, 1]. For points that no photo sees, the mean of their nearest border pixels. What a mask
        ignores isn't seen, and counts only where no photo sees the point otherwise.
    """
    sampled = [_sample(view, points) for view in views]
    colors = torch.stack([color for color, _ in sampled])
    chosen = statistic(colors, torch.stack([seen for _, seen in sampled])[..., None])
    return torch.where(chosen.isnan(), colors.mean(dim=0), chosen)


def _sample(
    view: View, points: Float[Tensor, "height width 3"]
) -> tuple[Float[Tensor, "height width 3"], Bool[Tensor, "height width"]]:
    """Read the colours in which a photo shows points, and which of them it shows by pixels that count."""
    if view.mask is None:
        return sample_image(view.rgb, view.camera, points)
    values, seen = sample_image(
        torch.cat([view.rgb, view.mask[..., None].float()], dim=-1), view.camera, points
    )
    return values[..., :3], seen & (values[..., 3] > _WHOLLY)
