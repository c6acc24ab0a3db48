"""Plane sweeps: what photos show if all they see lay on one plane, or at given points of the world.

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

# Colour values of all photos that are looked at together: 64 MiB, and a few times that while they are.
_VALUES_AT_ONCE = 2**24


class PhotoStatistic(ABC):
    """One colour out of those in which many photos show a point."""

    @abstractmethod
    def __call__(
        self, colors: Float[Tensor, "view height width 3"], seen: Bool[Tensor, "view height width 1"]
    ) -> Float[Tensor, "height width 3"]:
        """Return the colours of some points.

        Args:
            colors: sRGB in [0, 1].
            seen: Which photos really show the point.

        Returns:
            NaN where no photo does.
        """


class MeanOfPhotos(PhotoStatistic):
    """The mean: what is right for a base colour from which the view-dependent part deviates both ways."""

    @override
    def __call__(
        self, colors: Float[Tensor, "view height width 3"], seen: Bool[Tensor, "view height width 1"]
    ) -> Float[Tensor, "height width 3"]:
        return (colors * seen).sum(dim=0) / seen.sum(dim=0)


class QuantileOfPhotos(PhotoStatistic):
    """A quantile of each channel: below a half it starts from a base colour to which gloss only adds.

    Args:
        quantile: From 0, the darkest photo, to 1; of the nearest rank.

    Raises:
        UserError: It is out of range.
    """

    def __init__(self, quantile: float) -> None:
        if not 0 <= quantile <= 1:
            raise UserError(f"initialization.statistic.quantile: expected 0 to 1, found {quantile}.")
        self.quantile = quantile

    @override
    def __call__(
        self, colors: Float[Tensor, "view height width 3"], seen: Bool[Tensor, "view height width 1"]
    ) -> Float[Tensor, "height width 3"]:
        # Side by side in memory, the photos' values of a point are sorted many times faster.
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
    """Return the colours in which photos show the points of a plane.

    Args:
        views: At least one; all on one device.
        depth: Of the plane in world units.
        geometry: The canvas.
        height: Texels of the result along the canvas.
        width: Texels of the result along the canvas.
        statistic: Makes one colour out of those of the photos.

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
    """Return the colours in which photos show points of the world, whether or not something hides these.

    Args:
        views: At least one; on the device of the points.
        points: In world space.
        statistic: Makes one colour out of those of the photos.

    Returns:
        sRGB in [0, 1]. For points that no photo sees, the mean of their nearest border pixels.
    """
    sampled = [sample_image(view.rgb, view.camera, points) for view in views]
    colors = torch.stack([color for color, _ in sampled])
    chosen = statistic(colors, torch.stack([mask for _, mask in sampled])[..., None])
    return torch.where(chosen.isnan(), colors.mean(dim=0), chosen)
