"""What the planes show before the first step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from normnex_pl.errors import UserError
from normnex_pl.geometry.cameras import sample_image
from normnex_pl.geometry.planes import canvas_grid, canvas_points
from normnex_pl.model import MPI
from normnex_pl.types import MPIGeometry, View

# Colour values of all photos that are sorted together: 32 MiB, and a few times that while they are.
_VALUES_AT_ONCE = 2**23


class Initialization(ABC):
    """Gives a multiplane image something to start from."""

    @abstractmethod
    def __call__(self, mpi: MPI, views: Sequence[View]) -> None:
        """Changes the parameters of a multiplane image that has not learned anything yet.

        Args:
            mpi: On any device.
            views: The training views, on the device to compute on; cameras in the reference frame.
        """


class RandomStart(Initialization):
    """As the field makes itself: random base colours around grey. The paper's way."""

    def __call__(self, mpi: MPI, views: Sequence[View]) -> None:
        """See the base class."""


class PlaneSweep(Initialization):
    """Each layer starts with what the photos show if all they see lay on it: the median of a plane sweep.

    Where there is a surface the photos agree, and the layer at its depth starts with its colours; elsewhere
    they blur. From grey, in a short training, textures of many pixels stay grey: each texel is looked at a
    few dozen times. Coefficients of coarse textures then learn the colours instead, and with a specular part
    that can't darken, planes near the camera become fog.

    Plane sweep volumes: Collins, A space-sweep approach to true multi-image matching, CVPR 1996.

    Args:
        quantile: Of the photos' values, channel by channel. Half, the median, is blind to what hides the
            surface from some photos and to highlights in a few; less than that starts from a darker base
            colour, as a specular part that only adds light wants it.

    Raises:
        UserError: The quantile is not from 0 to 1.
    """

    def __init__(self, quantile: float = 0.5) -> None:
        if not 0 <= quantile <= 1:
            raise UserError(f"initialization.quantile: expected 0 to 1, found {quantile}.")
        self.quantile = quantile

    @torch.no_grad()
    def __call__(self, mpi: MPI, views: Sequence[View]) -> None:
        """See the base class."""
        texture = mpi.field.base_color
        height, width = texture.raw.shape[-2:]
        for layer, depth in enumerate(mpi.layer_depths.tolist()):
            colors = plane_sweep(views, depth, mpi.geometry, height, width, self.quantile)
            texture.start_layer(layer, colors.movedim(-1, 0))


def plane_sweep(
    views: Sequence[View], depth: float, geometry: MPIGeometry, height: int, width: int, quantile: float
) -> Float[Tensor, "height width 3"]:
    """A quantile of the colours in which the photos show the points of a plane.

    Args:
        views: At least one; all on one device.
        depth: Of the plane in world units.
        geometry: The canvas.
        height: Texels of the result along the canvas.
        width: Texels of the result along the canvas.
        quantile: From 0 (darkest) to 1, of each channel by itself; the photo of the nearest rank.

    Returns:
        sRGB in [0, 1]. Where no photo sees the plane, the mean of their nearest border pixels.
    """
    grid = canvas_grid(height, width, views[0].camera.K.device)
    points = canvas_points(grid, torch.full_like(grid[..., 0], depth), geometry)
    rows = max(1, _VALUES_AT_ONCE // (len(views) * width * 3))
    return torch.cat([_quantile_of_views(views, part, quantile) for part in points.split(rows)])


def _quantile_of_views(
    views: Sequence[View], points: Float[Tensor, "height width 3"], quantile: float
) -> Float[Tensor, "height width 3"]:
    sampled = [sample_image(view.rgb, view.camera, points) for view in views]
    colors = torch.stack([color for color, _ in sampled])
    seen = torch.stack([mask for _, mask in sampled])[..., None]
    chosen = torch.where(seen, colors, torch.nan).nanquantile(quantile, dim=0, interpolation="nearest")
    return torch.where(chosen.isnan(), colors.mean(dim=0), chosen)
